"""What is to be signed: the facts of a certificate, and the twin that a builder makes of them.

The twin is a whole certificate, so it can be linted like one; what the authority signs
(`ca.tbs_octets`) has to be its TBSCertificate, octet for octet. Nobody trusts the throw-away key
that signs it, and it never leaves the process.
"""

import functools
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from ca import der
from ca.algorithm_identifiers import SIGNATURE_IDENTIFIERS
from ca.certificate_fields import subject_of
from ca.distinguished_names import DistinguishedName
from ca.profiles import Profile
from hsm import algorithms
from hsm.algorithms import SignatureAlgorithm

_ISSUER: Final = 3
_SUBJECT: Final = 5
"""Their places in a TBSCertificate of version 3 (RFC 5280 4.1)."""

SERIAL_OCTETS: Final = 20
"""The most that RFC 5280 4.1.2.2 allows."""

_HASHES: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}

KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=True,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
"""Type A of EN 319 412-2 4.3.2, preferred for keys that commit to content: nonRepudiation alone."""


@dataclass(frozen=True, eq=False, slots=True)
class Shared:
    """What all certificates of one issuer, policy and partition have in common.

    There is one object for each, so it is a cheap key for whatever is encoded once.
    """

    issuer: x509.Certificate
    policies: tuple[str, ...]
    crl_url: str
    ocsp_url: str
    ca_issuers_url: str


_one_for_each = functools.lru_cache(maxsize=2048)(Shared)


@dataclass(frozen=True)
class CertificateFacts:
    """Everything that goes into one certificate."""

    profile: Profile
    serial_number: int
    subject: DistinguishedName
    public_key: CertificatePublicKeyTypes
    not_before: datetime
    not_after: datetime
    issuer: x509.Certificate
    issuer_slug: str
    public_url: str
    crl_shard: int | None = None
    """Partition of the issuer's CRL that will list it; None: the complete CRL."""

    @functools.cached_property
    def subject_public_key(self) -> bytes:
        """DER of the SubjectPublicKeyInfo."""
        return self.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @functools.cached_property
    def shared(self) -> Shared:
        """What it has in common with others."""
        return _one_for_each(
            self.issuer,
            self.profile.policies,
            self.crl_url,
            self.ocsp_url,
            self.ca_issuers_url,
        )

    @property
    def ca_issuers_url(self) -> str:
        """Where the issuer's certificate is (AIA caIssuers, RFC 5280 4.2.2.1)."""
        return f"{self.public_url}/pki/{self.issuer_slug}.cer"

    @property
    def ocsp_url(self) -> str:
        """Where the issuer's responder is (AIA ocsp)."""
        return f"{self.public_url}/ocsp"

    @property
    def crl_url(self) -> str:
        """Where the CRL is that will list it (RFC 5280 4.2.1.13)."""
        return crl_url(self.public_url, self.issuer_slug, self.crl_shard)


def crl_url(public_url: str, slug: str, shard: int | None) -> str:
    """Return the address of an authority's complete CRL, or of one partition."""
    where = slug if shard is None else f"{slug}/{shard}"
    return f"{public_url}/pki/{where}.crl"


def new_serial_number() -> int:
    """Return a positive number of exactly 20 octets, 158 bits of it random."""
    return 1 << (8 * SERIAL_OCTETS - 2) | secrets.randbits(8 * SERIAL_OCTETS - 2)


def shard_of(serial_number: int, shards: int) -> int | None:
    """Return the CRL partition of a new serial number; None where there are no partitions."""
    return serial_number % shards if shards else None


def serial_text(serial_number: int) -> str:
    """Return a serial number as the registry writes it: lower-case hexadecimal, whole octets."""
    octets = max(1, (serial_number.bit_length() + 7) // 8)
    return serial_number.to_bytes(octets, "big").hex()


def twin(facts: CertificateFacts, *, algorithm: SignatureAlgorithm) -> bytes:
    """Return the DER of the certificate as a builder makes it, signed by nobody."""
    builder = (
        x509.CertificateBuilder()
        .public_key(facts.public_key)
        .serial_number(facts.serial_number)
        .not_valid_before(facts.not_before)
        .not_valid_after(facts.not_after)
    )
    for extension, critical in extensions(facts):
        builder = builder.add_extension(extension, critical=critical)
    issuer = subject_of(facts.issuer)
    octets = built(builder, issuer=issuer, subject=facts.subject, algorithm=algorithm)
    return signed_by_nobody(octets, algorithm=algorithm)


def built(
    builder: x509.CertificateBuilder,
    *,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    algorithm: SignatureAlgorithm,
) -> bytes:
    """Return the TBSCertificate that a builder without names makes, with these names in it.

    They are put in as they are encoded: a builder may count other things than `ca.names` does.
    """
    builder = builder.issuer_name(x509.Name([])).subject_name(x509.Name([]))
    key = _throw_away_key(algorithm)
    digest = _HASHES[algorithm.hash_name] if algorithm.hash_name else None
    if algorithm.startswith("rsa-pss-") and digest is not None:
        pss = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        made = builder.sign(key, digest, rsa_padding=pss)
    else:
        made = builder.sign(key, digest)
    fields = [field.encoded for field in der.children(der.whole(made.tbs_certificate_bytes))]
    fields[_ISSUER], fields[_SUBJECT] = issuer.encoded, subject.encoded
    return der.sequence(*fields)


def signed_by_nobody(tbs: bytes, *, algorithm: SignatureAlgorithm) -> bytes:
    """Return a certificate of these octets for a reader that looks at all but the signature.

    The signature is one of a throw-away key, made once, over nothing.
    """
    identifier = SIGNATURE_IDENTIFIERS[algorithm.value]
    signature = _signature_over_nothing(algorithm)
    return assemble(tbs, algorithm_identifier=identifier, signature=signature)


def extensions(facts: CertificateFacts) -> list[tuple[x509.ExtensionType, bool]]:
    """Return the extensions in their order, each with its criticality (EN 319 412-2 4.3, 4.4)."""
    ski = facts.issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return [
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), False),
        (x509.SubjectKeyIdentifier.from_public_key(facts.public_key), False),
        (KEY_USAGE, True),
        (_policies(facts.profile.policies), False),
        (_crl_distribution_points(facts.crl_url), False),
        (_authority_information_access(facts.ocsp_url, facts.ca_issuers_url), False),
    ]


def tbs_of(certificate: bytes) -> bytes:
    """Return the DER TBSCertificate inside a certificate's DER."""
    return der.children(der.whole(certificate))[0].encoded


def assemble(tbs: bytes, *, algorithm_identifier: bytes, signature: bytes) -> bytes:
    """Return the certificate's DER: RFC 5280 4.1, the three parts joined."""
    return der.sequence(tbs, algorithm_identifier, der.bit_string(signature))


@functools.cache
def _policies(identifiers: tuple[str, ...]) -> x509.CertificatePolicies:
    return x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in identifiers]
    )


@functools.lru_cache(maxsize=1024)
def _crl_distribution_points(url: str) -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


@functools.lru_cache(maxsize=64)
def _authority_information_access(
    ocsp_url: str, ca_issuers_url: str
) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp_url)
            ),
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS,
                x509.UniformResourceIdentifier(ca_issuers_url),
            ),
        ]
    )


@functools.cache
def _signature_over_nothing(algorithm: SignatureAlgorithm) -> bytes:
    return algorithms.sign(_throw_away_key(algorithm), algorithm, b"")


@functools.cache
def _throw_away_key(
    algorithm: SignatureAlgorithm,
) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    """Make one key for each algorithm and process; any of its kind gives the same TBS."""
    if algorithm.startswith("rsa-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if algorithm.startswith("ecdsa-"):
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()
