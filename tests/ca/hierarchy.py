"""Throw-away hierarchies for path validation: no database, no token, any mistake on purpose."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from ca import der

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
_serials = itertools.count(1000)

Extension = tuple[x509.ExtensionType, bool]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def name(common_name: str, *more: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    attributes = [(NameOID.COUNTRY_NAME, "VN"), *more, (NameOID.COMMON_NAME, common_name)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def key_usage(*words: str) -> x509.KeyUsage:
    known = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{word: word in words for word in known})


CA_EXTENSIONS: tuple[Extension, ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (key_usage("key_cert_sign", "crl_sign"), True),
)
SIGNER_EXTENSIONS: tuple[Extension, ...] = (
    (key_usage("digital_signature", "content_commitment"), True),
)


@dataclass
class Entity:
    """A certificate with its key, able to issue others, CRLs and OCSP answers."""

    subject: x509.Name
    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    certificate: x509.Certificate | None = None

    @property
    def cert(self) -> x509.Certificate:
        assert self.certificate is not None
        return self.certificate

    @property
    def der(self) -> bytes:
        return self.cert.public_bytes(Encoding.DER)

    def issue(
        self,
        subject: x509.Name | str,
        *,
        extensions: Sequence[Extension] = SIGNER_EXTENSIONS,
        validity: tuple[datetime, datetime] = (NOW - YEAR, NOW + YEAR),
        key: Key | None = None,
        sha1: bool = False,
    ) -> "Entity":
        subject = name(subject) if isinstance(subject, str) else subject
        child = Entity(subject) if key is None else Entity(subject, key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(child.key.public_key())
            .serial_number(next(_serials))
            .not_valid_before(validity[0])
            .not_valid_after(validity[1])
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        child.certificate = builder.sign(self.key, hashes.SHA256())
        if sha1:
            assert isinstance(self.key, rsa.RSAPrivateKey)
            child.certificate = _signed_with_sha1(child.certificate, self.key)
        return child

    def issue_ca(self, subject: str = "Issuing", **details: object) -> "Entity":
        return self.issue(subject, **({"extensions": CA_EXTENSIONS} | details))  # type: ignore[arg-type]

    def crl(
        self,
        *revoked: tuple[int, datetime, x509.ReasonFlags],
        this_update: datetime = NOW - timedelta(hours=1),
        next_update: datetime = NOW + timedelta(days=1),
    ) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(this_update)
            .next_update(next_update)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for serial, at, reason in revoked:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(serial)
                .revocation_date(at)
                .add_extension(x509.CRLReason(reason), critical=False)
            )
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def ocsp(
        self,
        target: "Entity",
        *,
        responder: "Entity | None" = None,
        revoked_at: datetime | None = None,
        this_update: datetime = NOW - timedelta(hours=1),
        next_update: datetime = NOW + timedelta(hours=1),
    ) -> bytes:
        answering = responder or self
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=target.cert,
                issuer=self.cert,
                algorithm=hashes.SHA1(),  # noqa: S303 -- names the certificate, protects nothing
                cert_status=(
                    ocsp.OCSPCertStatus.REVOKED if revoked_at else ocsp.OCSPCertStatus.GOOD
                ),
                this_update=this_update,
                next_update=next_update,
                revocation_time=revoked_at,
                revocation_reason=x509.ReasonFlags.superseded if revoked_at else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, answering.cert)
            .certificates([answering.cert])
        )
        return builder.sign(answering.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _signed_with_sha1(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Sign again as old hierarchies do; no builder offers that any more."""
    sha256, sha1 = (
        der.sequence(der.object_identifier(f"1.2.840.113549.1.1.{number}"), der.NULL)
        for number in (11, 5)
    )
    body = certificate.tbs_certificate_bytes.replace(sha256, sha1)
    signature = key.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 -- on purpose
    return x509.load_der_x509_certificate(der.sequence(body, sha1, der.bit_string(signature)))


def root(common_name: str = "Root", *, key: Key | None = None, **details: object) -> Entity:
    made = Entity(name(common_name)) if key is None else Entity(name(common_name), key)
    made.certificate = made.issue_ca(common_name, key=made.key, **details).certificate
    return made
