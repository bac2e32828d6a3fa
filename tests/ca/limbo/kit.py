"""Building the chains of x509-limbo anew: certificates with any mistake on purpose.

The cases are those of the x509-limbo project (C2SP, Apache-2.0) with the names they have there;
what each one is about was read in its sources, the code here is our own. Where a case is about web
servers, the signer of a document stands in for the server: host names are not compared, and the
certificate has the key usage of a signer.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.ca.hierarchy import key_usage

AT = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_BEGIN, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2969, 5, 3, tzinfo=UTC)
_serials = itertools.count(7_000)

Extension = tuple[x509.ExtensionType, bool]
Key = ec.EllipticCurvePrivateKey

CA_USAGE: Extension = (key_usage("key_cert_sign", "crl_sign"), False)
SIGNER_USAGE: Extension = (key_usage("digital_signature"), False)
UNKNOWN: x509.ExtensionType = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.4.1.55738.666.1"), b""
)


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def subject(self) -> x509.Name:
        return self.certificate.subject

    @property
    def key_identifier(self) -> x509.SubjectKeyIdentifier:
        return x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())


@dataclass(frozen=True)
class Question:
    """What is asked: whether the leaf is trusted below the anchors, with these helpers."""

    leaf: bytes
    anchors: Sequence[Made]
    others: Sequence[Made] = ()
    crls: Sequence[bytes] | None = None
    """None where revocation is not the matter."""
    at: datetime = AT
    ignored_if_wrong: bool = False
    """Whether a CRL that does not count is to be as good as none (what limbo calls success)."""


@dataclass(frozen=True)
class Case:
    name: str
    accepted: bool
    build: Callable[[], Question]


CASES: list[Case] = []


def case(name: str, *, accepted: bool) -> Callable[[Callable[[], Question]], None]:
    """Note a case under its name in x509-limbo, with the verdict that is stated there."""
    return lambda build: CASES.append(Case(name, accepted, build))


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Wish:
    """How a certificate is to differ from an ordinary one of its kind."""

    subject: x509.Name | None = None
    issuer: x509.Name | None = None
    key: Key | None = None
    serial: int | None = None
    begin: datetime = _BEGIN
    end: datetime = _END
    constraints: Extension | None = (x509.BasicConstraints(ca=True, path_length=None), True)
    usage: Extension | None = CA_USAGE
    names: Sequence[x509.GeneralName] = ()
    names_critical: bool = False
    name_constraints: Extension | None = None
    own_identifier: bool = True
    own_identifier_critical: bool = False
    issuer_identifier: bool = True
    extra: Sequence[Extension] = field(default=())


def build(wish: Wish, signer: Made | None) -> Made:
    """Make a certificate; without a signer it signs itself."""
    number = wish.serial if wish.serial is not None else next(_serials)
    key = wish.key or ec.generate_private_key(ec.SECP256R1())
    subject = wish.subject if wish.subject is not None else named(f"limbo {next(_serials)}")
    above = signer.subject if signer else subject
    issuer = wish.issuer if wish.issuer is not None else above
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(wish.begin)
        .not_valid_after(wish.end)
    )
    builder._serial_number = number  # larger than builders allow, where a case asks for it
    builder._extensions = [
        x509.Extension(extension.oid, critical, extension)
        for extension, critical in _extensions(wish, key, signer)
    ]
    return Made(builder.sign(signer.key if signer else key, hashes.SHA256()), key)


def _extensions(wish: Wish, key: Key, signer: Made | None) -> list[Extension]:
    found = [one for one in (wish.constraints, wish.usage, wish.name_constraints) if one]
    if wish.names:
        found.append((x509.SubjectAlternativeName(wish.names), wish.names_critical))
    if wish.own_identifier:
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        found.append((identifier, wish.own_identifier_critical))
    if wish.issuer_identifier and signer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            signer.key_identifier
        )
        found.append((above, False))
    return [*found, *wish.extra]


def root(**wishes: object) -> Made:
    return build(Wish(**wishes), None)  # type: ignore[arg-type]


def ca(signer: Made, *, path_length: int | None = None, **wishes: object) -> Made:
    """An authority below another."""
    constraints: Extension = (x509.BasicConstraints(ca=True, path_length=path_length), True)
    return build(Wish(**{"constraints": constraints, **wishes}), signer)  # type: ignore[arg-type]


def leaf(signer: Made, **wishes: object) -> Made:
    """A signer's certificate."""
    usual = {"constraints": None, "usage": SIGNER_USAGE, "subject": named("example.com")}
    return build(Wish(**{**usual, **wishes}), signer)  # type: ignore[arg-type]


def limits(
    permitted: Sequence[x509.GeneralName] | None = None,
    excluded: Sequence[x509.GeneralName] | None = None,
    *,
    critical: bool = True,
) -> Extension:
    """Name constraints, also such as no builder would make."""
    made = x509.NameConstraints([x509.DNSName("x.example")], None)
    made._permitted_subtrees = list(permitted) if permitted else None
    made._excluded_subtrees = list(excluded) if excluded else None
    return made, critical


def dns(*values: str) -> list[x509.GeneralName]:
    return [x509.DNSName(value) for value in values]


def directory(common_name: str) -> list[x509.GeneralName]:
    return [x509.DirectoryName(named(common_name))]


@dataclass(frozen=True)
class List:
    """How a CRL is to be."""

    revoked: Sequence[x509.RevokedCertificate] = ()
    issuer: x509.Name | None = None
    number: Extension | None = (x509.CRLNumber(12345), False)
    begin: datetime = AT - DAY
    end: datetime = AT + 30 * DAY
    extra: Sequence[Extension] = ()


def crl(signer: Made, **wishes: object) -> bytes:
    asked = List(**wishes)  # type: ignore[arg-type]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(asked.issuer or signer.subject)
        .last_update(asked.begin)
        .next_update(asked.end)
    )
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key())
    given = [one for one in ((above, False), asked.number, *asked.extra) if one is not None]
    for extension, critical in given:
        builder = builder.add_extension(extension, critical=critical)
    for entry in asked.revoked:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def entry(
    serial: int | None = None, *, at: datetime = AT - DAY, extra: Sequence[Extension] = ()
) -> x509.RevokedCertificate:
    """An entry for a serial number, or for nobody's."""
    builder = x509.RevokedCertificateBuilder().revocation_date(at)
    builder = builder.serial_number(serial if serial is not None else next(_serials))
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.build()
