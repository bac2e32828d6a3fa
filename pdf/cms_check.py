"""Check the CMS of one PDF signature or time-stamp against the bytes it covers.

Gives facts (`CmsFacts`), never an exception for content: which digest matched, which signature
matched, who signed, which time-stamps are inside, and message codes for what is odd.
Sources: ISO 32000-2 clause 12.8.3, EN 319 142-1, RFC 5652 clause 5.6, RFC 5035.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from pdf import der, signed_data
from pdf.certificates import CertificateFacts, PublicKey, read_certificate
from pdf.der import BadDer, as_set, as_sorted_set
from pdf.limits import Limits
from pdf.signature_math import ML_DSA_KEYS, Outcome, check, digest_of, hash_name
from pdf.signed_data import SignaturePolicy, SignedData, SignerInfo

DETACHED = frozenset({"adbe.pkcs7.detached", "ETSI.CAdES.detached", "PBAD.PAdES", "PBAD_PAdES"})
SHA1_INSIDE = "adbe.pkcs7.sha1"
RAW_RSA = "adbe.x509.rsa_sha1"
TIMESTAMP = "ETSI.RFC3161"
_GIVEN_ONCE = (signed_data.CONTENT_TYPE, signed_data.MESSAGE_DIGEST)
"""One attribute with one value each (RFC 5652 clauses 11.1 and 11.2)."""


@dataclass(frozen=True, kw_only=True)
class Covered:
    """Access to what the signature covers: its digest by name, and the bytes themselves."""

    digest: Callable[[str], bytes]
    everything: Callable[[], bytes]


@dataclass(kw_only=True)
class CmsFacts:
    """What the CMS says and whether it is true; `problems` are message codes."""

    digest_match: bool = False
    signature_match: bool = False
    signer: CertificateFacts | None = None
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()
    claimed_time: datetime | None = None
    digest_name: str | None = None
    signature: bytes = b""
    timestamp_tokens: tuple[bytes, ...] = ()
    has_signing_certificate: bool = False
    token_time: datetime | None = None
    content_timestamps: tuple[bytes, ...] = ()
    """Tokens over the content, made before the signature that covers them."""
    covered: Covered | None = field(default=None, repr=False)
    """What a content time-stamp has to be over."""
    policy: SignaturePolicy | None = None
    problems: list[str] = field(default_factory=list)

    def note(self, code: str) -> None:
        """Add a problem once."""
        if code not in self.problems:
            self.problems.append(code)


def check_cms(
    contents: bytes, *, sub_filter: str | None, covered: Covered, limits: Limits
) -> CmsFacts:
    """Check the CMS in /Contents of a signature with this /SubFilter."""
    facts = CmsFacts(covered=covered)
    try:
        data = signed_data.parse_signed_data(contents, limits=limits)
        if sub_filter == TIMESTAMP:
            _check_token(data, covered, facts)
        else:
            _check_signature(data, sub_filter, covered, facts)
    except (BadDer, ValueError, IndexError, OverflowError, RecursionError) as problem:
        del problem
        facts.note("CMS_MALFORMED")
        facts.digest_match = facts.signature_match = False
    return facts


def check_signed_data(data: SignedData, covered: Covered) -> CmsFacts:
    """Check a CMS that was taken apart already and stands outside any PDF."""
    facts = CmsFacts(covered=covered)
    try:
        _check_signature(data, None, covered, facts)
    except (BadDer, ValueError, IndexError, OverflowError, RecursionError):
        facts.note("CMS_MALFORMED")
        facts.digest_match = facts.signature_match = False
    return facts


def check_token(token: bytes, *, imprinted: Covered, limits: Limits) -> CmsFacts:
    """Check an RFC 3161 time-stamp token over other bytes."""
    return check_cms(token, sub_filter=TIMESTAMP, covered=imprinted, limits=limits)


def _check_token(data: SignedData, covered: Covered, facts: CmsFacts) -> None:
    if data.content_type != signed_data.TST_INFO or not data.content or len(data.signers) > 1:
        # A token is signed by its authority and nobody else (RFC 3161 clause 2.4.2).
        facts.note("TIMESTAMP_MALFORMED")
        return
    info = signed_data.parse_timestamp_info(data.content)
    facts.token_time = info.time
    name = hash_name(info.hash_algorithm)
    if name is None:
        facts.note("ALGORITHM_UNSUPPORTED")
    content = data.content
    inner = Covered(digest=lambda kind: digest_of(kind, content), everything=lambda: content)
    _check_signers(data, inner, facts)
    imprint = name is not None and covered.digest(name) == info.imprint
    if not imprint:
        facts.note("TIMESTAMP_IMPRINT_MISMATCH")
    if not facts.digest_match:
        facts.signature_match = False  # The token does not even sign its own content.
    facts.digest_match = imprint
    facts.digest_name = _weaker(facts.digest_name, name)


def _weaker(left: str | None, right: str | None) -> str | None:
    return next((name for name in ("md5", "sha1") if name in {left, right}), left)


def _check_signature(
    data: SignedData, sub_filter: str | None, covered: Covered, facts: CmsFacts
) -> None:
    if sub_filter == SHA1_INSIDE:
        content = data.content or b""
        inner = Covered(digest=lambda kind: digest_of(kind, content), everything=lambda: content)
        _check_signers(data, inner, facts)
        if not facts.digest_match:
            facts.signature_match = False
        facts.digest_match = bool(content) and covered.digest("sha1") == content
        facts.digest_name = _weaker("sha1", facts.digest_name)
        return
    if data.content:
        facts.note("CMS_ENCAPSULATES_CONTENT")
    elif data.content is not None:
        facts.note("CMS_CONTENT_EMPTY")
    _check_signers(data, covered, facts)


def _check_signers(data: SignedData, covered: Covered, facts: CmsFacts) -> None:
    """Check every signer: all must hold, the first one that has a certificate is reported."""
    facts.certificates, facts.crls = data.certificates, data.crls
    facts.ocsp_responses = data.ocsp_responses
    if not data.padding_clean:
        facts.note("CMS_PADDING_NOT_ZERO")
    if not data.signers:
        facts.note("CMS_NO_SIGNER")
        return
    if len(data.signers) > 1:
        facts.note("CMS_SEVERAL_SIGNERS")
    certificates = _readable(data.certificates)
    digests: list[bool] = []
    signatures: list[bool] = []
    for signer in data.signers:
        certificate = _certificate_of(signer, certificates)
        first = not digests
        if first:
            _describe(signer, certificate, facts)
        if certificate is None:
            facts.note("SIGNER_CERTIFICATE_MISSING")
        digest, signature = _check_signer(signer, certificate, data, covered, facts)
        digests.append(digest)
        signatures.append(signature)
    facts.digest_match = all(digests)
    facts.signature_match = all(signatures)


def _describe(signer: SignerInfo, certificate: CertificateFacts | None, facts: CmsFacts) -> None:
    facts.signer = certificate
    facts.signature = signer.signature
    facts.claimed_time = signer.signing_time
    facts.digest_name = hash_name(signer.digest_algorithm)
    facts.timestamp_tokens = tuple(signer.timestamp_tokens)
    facts.content_timestamps = tuple(signer.content_timestamps)
    facts.policy = signed_data.signature_policy(signer)
    crls, ocsp = signed_data.archived_revocation(signer)
    facts.crls += tuple(crls)
    facts.ocsp_responses += tuple(ocsp)


def _readable(encoded: tuple[bytes, ...]) -> list[CertificateFacts]:
    result: list[CertificateFacts] = []
    for item in encoded:
        try:
            result.append(read_certificate(item))
        except (BadDer, ValueError, IndexError):
            continue
    return result


def _certificate_of(
    signer: SignerInfo, certificates: list[CertificateFacts]
) -> CertificateFacts | None:
    for certificate in certificates:
        if signer.key_identifier is not None:
            if certificate.key_identifier == signer.key_identifier:
                return certificate
        elif (certificate.issuer, certificate.serial_number) == (
            signer.issuer,
            signer.serial_number,
        ):
            return certificate
    # The same name may be encoded in another string type; the serial number then decides, and
    # the mathematics below still has to match this very certificate's key.
    matching = [c for c in certificates if c.serial_number == signer.serial_number]
    return matching[0] if len(matching) == 1 and signer.issuer is not None else None


def _check_signer(
    signer: SignerInfo,
    certificate: CertificateFacts | None,
    data: SignedData,
    covered: Covered,
    facts: CmsFacts,
) -> tuple[bool, bool]:
    key = certificate.public_key if certificate else None
    if certificate is not None and key is None:
        facts.note("ALGORITHM_UNSUPPORTED")
    if isinstance(key, ML_DSA_KEYS):
        facts.note("EXPERIMENTAL_ALGORITHM")
    if signer.signed_attributes is None:
        if key is None:
            return False, False
        content = covered.everything()
        outcome = _mathematics(signer, key, content)
        _judge(outcome, facts)
        facts.note("NO_SIGNED_ATTRIBUTES")
        if signed_data.reads_as_attributes(content):
            facts.note("CONTENT_READS_AS_ATTRIBUTES")
        matched = outcome is Outcome.MATCH
        return matched, matched
    digest = _message_digest(signer, data, covered, facts)
    _signing_certificate(signer, certificate, facts)
    if key is None:
        return digest, False
    found, ordered = as_set(signer.signed_attributes), as_sorted_set(signer.signed_attributes)
    outcome = _mathematics(signer, key, found)
    if found != ordered:
        facts.note("SIGNED_ATTRIBUTES_NOT_DER")
        if outcome is Outcome.MISMATCH:
            outcome = _mathematics(signer, key, ordered)
    _judge(outcome, facts)
    return digest, outcome is Outcome.MATCH


def _mathematics(signer: SignerInfo, key: PublicKey, data: bytes) -> Outcome:
    return check(
        key,
        algorithm=(signer.signature_algorithm, signer.signature_parameters),
        digest_algorithm=signer.digest_algorithm,
        signature=signer.signature,
        data=data,
    )


def _judge(outcome: Outcome, facts: CmsFacts) -> None:
    if outcome is Outcome.UNSUPPORTED:
        facts.note("ALGORITHM_UNSUPPORTED")
    elif outcome is Outcome.RULE_BROKEN:
        facts.note("ALGORITHMS_DISAGREE")


def _message_digest(
    signer: SignerInfo, data: SignedData, covered: Covered, facts: CmsFacts
) -> bool:
    if any(kind in signer.repeated or len(signer.signed.get(kind, ())) > 1 for kind in _GIVEN_ONCE):
        facts.note("SIGNED_ATTRIBUTE_REPEATED")
        return False
    kinds = signer.signed.get(signed_data.CONTENT_TYPE)
    if not kinds:
        facts.note("CONTENT_TYPE_ATTRIBUTE_MISSING")
    elif der.oid(kinds[0]) != data.content_type:
        facts.note("CONTENT_TYPE_ATTRIBUTE_WRONG")
    expected = signer.message_digest
    name = hash_name(signer.digest_algorithm)
    if expected is None:
        facts.note("MESSAGE_DIGEST_MISSING")
        return False
    if name is None:
        facts.note("ALGORITHM_UNSUPPORTED")
        return False
    return covered.digest(name) == expected


def _signing_certificate(
    signer: SignerInfo, certificate: CertificateFacts | None, facts: CmsFacts
) -> None:
    """Compare the signing-certificate attributes with the certificate that is used."""
    try:
        references = signed_data.certificate_references(signer)
    except (BadDer, IndexError):
        facts.note("SIGNING_CERTIFICATE_ATTRIBUTE_WRONG")
        return
    facts.has_signing_certificate = facts.has_signing_certificate or bool(references)
    if certificate is None:
        return
    for reference in references:
        name = hash_name(reference.hash_algorithm)
        if name is None or digest_of(name, certificate.encoded) != reference.digest:
            facts.note("SIGNING_CERTIFICATE_ATTRIBUTE_WRONG")


def check_raw_rsa(contents: bytes, certificates: list[bytes], *, covered: Covered) -> CmsFacts:
    """Check `adbe.x509.rsa_sha1`: a bare PKCS#1 signature, certificates in the dictionary."""
    facts = CmsFacts(certificates=tuple(certificates), digest_name="sha1")
    readable = _readable(tuple(certificates[:1]))
    if not readable:
        facts.note("SIGNER_CERTIFICATE_MISSING")
        return facts
    facts.signer = readable[0]
    try:
        node = der.parse(contents).expect(der.OCTET_STRING, "signature")
    except BadDer:
        facts.note("CMS_MALFORMED")
        return facts
    facts.signature = der.octets(node)
    everything = covered.everything()
    for identifier in _RAW_HASHES:
        outcome = check(
            facts.signer.public_key,
            algorithm=("1.2.840.113549.1.1.1", None),
            digest_algorithm=identifier,
            signature=facts.signature,
            data=everything,
        )
        if outcome is Outcome.MATCH:
            facts.digest_match = facts.signature_match = True
            facts.digest_name = hash_name(identifier)
            break
    return facts


_RAW_HASHES = (
    "1.3.14.3.2.26",
    "2.16.840.1.101.3.4.2.1",
    "2.16.840.1.101.3.4.2.2",
    "2.16.840.1.101.3.4.2.3",
)
