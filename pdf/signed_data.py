"""CMS SignedData as found in PDF files (RFC 5652, RFC 5035, EN 319 122-1).

Takes the structure apart and says nothing about whether it is right: see `signature_math` for the
mathematics. Everything is bytes as found, so that what was signed is what is checked.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from pdf import der
from pdf import der_writer as writer
from pdf.der import BadDer, Node
from pdf.limits import Limits

SIGNED_DATA = "1.2.840.113549.1.7.2"
DATA = "1.2.840.113549.1.7.1"
TST_INFO = "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
SIGNATURE_TIME_STAMP = "1.2.840.113549.1.9.16.2.14"
CONTENT_TIME_STAMP = "1.2.840.113549.1.9.16.2.20"
SIGNATURE_POLICY = "1.2.840.113549.1.9.16.2.15"
REVOCATION_ARCHIVAL = "1.2.840.113583.1.1.8"
REVOCATION_VALUES = "1.2.840.113549.1.9.16.2.24"
OCSP_RESPONSE_FORMAT = "1.3.6.1.5.5.7.16.2"
OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1"
ARCHIVE_TIME_STAMP = "0.4.0.1733.2.4"
HASH_INDEX = "0.4.0.19122.1.5"

_CONTEXT_0, _CONTEXT_1, _CONTEXT_0_SIMPLE, _NULL = 0xA0, 0xA1, 0x80, 0x05
_SUCCESSFUL = b"\x0a\x01\x00"


@dataclass(frozen=True, kw_only=True)
class SignerInfo:
    """One signer of a SignedData."""

    issuer: bytes | None
    serial_number: int | None
    key_identifier: bytes | None
    digest_algorithm: str
    signature_algorithm: str
    signature_parameters: bytes | None
    signature: bytes
    signed_attributes: Node | None
    unsigned_attributes: Node | None

    @cached_property
    def signed(self) -> dict[str, list[Node]]:
        """Signed attributes: type to values."""
        return _attributes(self.signed_attributes)

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Signed attribute types given twice, against RFC 5652 clause 5.3."""
        names = [der.oid(child.children()[0]) for child in _children(self.signed_attributes)]
        return frozenset(name for name in names if names.count(name) > 1)

    @cached_property
    def unsigned(self) -> dict[str, list[Node]]:
        """Unsigned attributes: type to values."""
        return _attributes(self.unsigned_attributes)

    @property
    def signing_time(self) -> datetime | None:
        """The claimed signing time, None when absent or unreadable."""
        try:
            values = self.signed.get(SIGNING_TIME)
            return der.moment(values[0]) if values else None
        except BadDer:
            return None

    @property
    def message_digest(self) -> bytes | None:
        """The message-digest attribute."""
        values = self.signed.get(MESSAGE_DIGEST)
        return der.octets(values[0]) if values else None

    @property
    def timestamp_tokens(self) -> list[bytes]:
        """The signature time-stamp tokens (RFC 3161 appendix A)."""
        return [node.raw for node in self.unsigned.get(SIGNATURE_TIME_STAMP, [])]

    @property
    def content_timestamps(self) -> list[bytes]:
        """The content time-stamp tokens (EN 319 122-1 clause 5.2.8)."""
        return [node.raw for node in self.signed.get(CONTENT_TIME_STAMP, [])]


@dataclass(frozen=True, kw_only=True)
class SignedData:
    """A SignedData, taken apart."""

    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsp_responses: tuple[bytes, ...]
    signers: tuple[SignerInfo, ...]
    length: int
    """Bytes of the structure; what follows in /Contents is padding."""
    padding_clean: bool = field(default=True)


def parse_signed_data(data: bytes, *, limits: Limits) -> SignedData:
    """Take a ContentInfo with SignedData apart; raises BadDer for anything else."""
    if len(data) > limits.cms_size:
        raise BadDer("the signature container is too large")
    outer = der.parse(data).expect(der.SEQUENCE, "ContentInfo")
    parts = outer.children()
    if len(parts) < 2 or der.oid(parts[0]) != SIGNED_DATA:  # noqa: PLR2004 (RFC 5652 clause 3)
        raise BadDer("the signature container is not a CMS SignedData")
    inner = parts[1].expect(_CONTEXT_0, "the CMS content").children()
    fields = inner[0].expect(der.SEQUENCE, "SignedData").children() if inner else []
    if len(fields) < 4:  # noqa: PLR2004 (version, digestAlgorithms, content, signerInfos)
        raise BadDer("SignedData lacks required parts")
    der.integer(fields[0])
    content_type, content = _content(fields[2].expect(der.SEQUENCE, "EncapsulatedContentInfo"))
    certificates, crls, ocsp = _evidence(fields[3:-1], limits)
    signers = fields[-1].expect(der.SET, "SignerInfos").children()
    if len(signers) > limits.certificates:
        raise BadDer("the signature container has too many signers")
    return SignedData(
        content_type=content_type,
        content=content,
        certificates=tuple(certificates),
        crls=tuple(crls),
        ocsp_responses=tuple(ocsp),
        signers=tuple(map(_signer, signers)),
        length=outer.end,
        padding_clean=not data[outer.end :].strip(b"\x00"),
    )


def _content(node: Node) -> tuple[str, bytes | None]:
    parts = node.children()
    if not parts:
        raise BadDer("EncapsulatedContentInfo is empty")
    kind = der.oid(parts[0])
    if len(parts) == 1:
        return kind, None
    wrapped = parts[1].expect(_CONTEXT_0, "the encapsulated content").children()
    return kind, der.octets(wrapped[0]) if wrapped else b""


def _evidence(nodes: list[Node], limits: Limits) -> tuple[list[bytes], list[bytes], list[bytes]]:
    certificates: list[bytes] = []
    crls: list[bytes] = []
    ocsp: list[bytes] = []
    for node in nodes:
        if node.tag == _CONTEXT_0:
            children = node.children()[: limits.certificates]
            certificates += [child.raw for child in children if child.tag == der.SEQUENCE]
        elif node.tag == _CONTEXT_1:
            for child in node.children()[: limits.certificates]:
                if child.tag == der.SEQUENCE:
                    crls.append(child.raw)
                elif child.tag == _CONTEXT_1:
                    other = child.children()
                    kind = der.oid(other[0]) if len(other) > 1 else None
                    if kind == OCSP_RESPONSE_FORMAT:
                        ocsp.append(other[1].raw)
                    elif kind == OCSP_BASIC:
                        ocsp.append(_whole_answer(other[1].raw))
    return certificates, crls, ocsp


def _signer(node: Node) -> SignerInfo:
    parts = node.expect(der.SEQUENCE, "SignerInfo").children()
    if len(parts) < 5:  # noqa: PLR2004 (the required fields of RFC 5652 clause 5.3)
        raise BadDer("SignerInfo lacks required parts")
    issuer: bytes | None = None
    serial: int | None = None
    key_identifier: bytes | None = None
    identifier = parts[1]
    if identifier.tag == der.SEQUENCE:
        pair = identifier.children()
        issuer, serial = pair[0].raw, der.integer(pair[1])
    elif identifier.tag in {_CONTEXT_0_SIMPLE, _CONTEXT_0}:
        key_identifier = der.octets(identifier)
    rest = parts[3:]
    signed = rest.pop(0) if rest[0].tag == _CONTEXT_0 else None
    if len(rest) < 2:  # noqa: PLR2004 (signature algorithm and value)
        raise BadDer("SignerInfo lacks required parts")
    algorithm = rest[0].expect(der.SEQUENCE, "the signature algorithm").children()
    return SignerInfo(
        issuer=issuer,
        serial_number=serial,
        key_identifier=key_identifier,
        digest_algorithm=algorithm_id(parts[2]),
        signature_algorithm=der.oid(algorithm[0]),
        signature_parameters=algorithm[1].raw if len(algorithm) > 1 else None,
        signature=der.octets(rest[1]),
        signed_attributes=signed,
        unsigned_attributes=next((n for n in rest[2:] if n.tag == _CONTEXT_1), None),
    )


def algorithm_id(node: Node) -> str:
    """Give the object identifier of an AlgorithmIdentifier."""
    children = node.expect(der.SEQUENCE, "an algorithm").children()
    if not children:
        raise BadDer("an algorithm is empty")
    return der.oid(children[0])


def _children(node: Node | None) -> list[Node]:
    return [] if node is None else node.children()


def _attributes(node: Node | None) -> dict[str, list[Node]]:
    result: dict[str, list[Node]] = {}
    for attribute in _children(node):
        parts = attribute.expect(der.SEQUENCE, "an attribute").children()
        if len(parts) == 2:  # noqa: PLR2004 (type and values)
            values = parts[1].expect(der.SET, "attribute values").children()
            result.setdefault(der.oid(parts[0]), []).extend(values)
    return result


def reads_as_attributes(content: bytes) -> bool:
    """Say whether content without signed attributes is what such attributes are signed as.

    Then it may be the attributes of another signature by the same key, over another content, put
    forward as if they were a document: what is signed does not say which of the two it is.
    """
    if content[:1] != bytes((der.SET,)):
        return False
    try:
        found = der.parse(content)
        return found.end == len(content) and MESSAGE_DIGEST in _attributes(found)
    except (BadDer, IndexError):
        return False


@dataclass(frozen=True, kw_only=True)
class TimestampInfo:
    """The TSTInfo of a time-stamp token (RFC 3161 clause 2.4.2)."""

    hash_algorithm: str
    imprint: bytes
    time: datetime


def parse_timestamp_info(data: bytes) -> TimestampInfo:
    """Take a TSTInfo apart."""
    parts = der.parse(data).expect(der.SEQUENCE, "TSTInfo").children()
    if len(parts) < 5:  # noqa: PLR2004 (version, policy, imprint, serial, time)
        raise BadDer("TSTInfo lacks required parts")
    imprint = parts[2].expect(der.SEQUENCE, "the message imprint").children()
    if len(imprint) != 2:  # noqa: PLR2004 (algorithm and digest)
        raise BadDer("the message imprint is broken")
    return TimestampInfo(
        hash_algorithm=algorithm_id(imprint[0]),
        imprint=der.octets(imprint[1]),
        time=der.moment(parts[4].expect(der.GENERALIZED_TIME, "the time of the token")),
    )


@dataclass(frozen=True, kw_only=True)
class CertificateReference:
    """An ESSCertID or ESSCertIDv2: which certificate the signer meant (RFC 5035)."""

    hash_algorithm: str
    digest: bytes


SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"


def certificate_references(signer: SignerInfo) -> list[CertificateReference]:
    """Give the first reference of each signing-certificate attribute; empty when there is none."""
    found: list[CertificateReference] = []
    for kind, default in ((SIGNING_CERTIFICATE_V2, SHA256), (SIGNING_CERTIFICATE, SHA1)):
        for value in signer.signed.get(kind, []):
            listed = value.expect(der.SEQUENCE, "signing-certificate").children()
            references = listed[0].children() if listed else []
            if not references:
                raise BadDer("the signing-certificate attribute names no certificate")
            parts = references[0].expect(der.SEQUENCE, "ESSCertID").children()
            algorithm = default
            if parts and parts[0].tag == der.SEQUENCE:
                algorithm = algorithm_id(parts.pop(0))
            if not parts:
                raise BadDer("the signing-certificate attribute has no digest")
            found.append(
                CertificateReference(hash_algorithm=algorithm, digest=der.octets(parts[0]))
            )
    return found


@dataclass(frozen=True, kw_only=True)
class SignaturePolicy:
    """The policy that a signature names (EN 319 122-1 clause 5.2.9); no name: it is unreadable."""

    identifier: str | None = None
    digest: bytes = b""


def signature_policy(signer: SignerInfo) -> SignaturePolicy | None:
    """Read the explicit policy; None where there is none, or where it is only implied."""
    values = signer.signed.get(SIGNATURE_POLICY)
    if not values or values[0].tag == _NULL:
        return None
    try:
        parts = values[0].expect(der.SEQUENCE, "the signature policy").children()
        digest = parts[1].expect(der.SEQUENCE, "the digest of the policy").children()
        return SignaturePolicy(identifier=der.oid(parts[0]), digest=der.octets(digest[1]))
    except (BadDer, IndexError):
        return SignaturePolicy()


def archived_revocation(signer: SignerInfo) -> tuple[list[bytes], list[bytes]]:
    """CRLs and OCSP responses that the signer put into attributes: (crls, ocsp responses)."""
    crls: list[bytes] = []
    ocsp: list[bytes] = []
    sources = [
        *((value, False) for value in signer.signed.get(REVOCATION_ARCHIVAL, [])),
        *((value, True) for value in signer.unsigned.get(REVOCATION_VALUES, [])),
    ]
    for value, basic in sources:
        try:
            for part in value.children():
                items = [node.raw for node in part.children()[0].children()]
                if part.tag == _CONTEXT_0:
                    crls.extend(items)
                elif part.tag == _CONTEXT_1:
                    ocsp.extend(map(_whole_answer, items) if basic else items)
        except (BadDer, IndexError):
            continue
    return crls, ocsp


def _whole_answer(basic: bytes) -> bytes:
    """Wrap a BasicOCSPResponse into the OCSPResponse that every reader takes (RFC 6960 4.2.1)."""
    held = writer.sequence(writer.oid(OCSP_BASIC), writer.octets(basic))
    return writer.sequence(_SUCCESSFUL, writer.tlv(_CONTEXT_0, held))
