"""The certificates of our own authorities: one profile for each role.

After RFC 5280, RFC 6960 4.2.2.2 (responder), RFC 3161 2.3 (TSA) and ETSI EN 319 412-2/-3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ca import tbs
from ca.algorithm_identifiers import SIGNATURE_IDENTIFIERS
from ca.certificate_fields import subject_of
from ca.models import AuthorityRole
from hsm import algorithms

if TYPE_CHECKING:
    from datetime import datetime

    from ca.authority_signers import AuthoritySigner
    from ca.distinguished_names import DistinguishedName
    from hsm.algorithms import PrivateKey

_ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")


def build(
    role: AuthorityRole,
    *,
    subject: DistinguishedName,
    validity: tuple[datetime, datetime],
    key: PrivateKey,
    issuer: AuthoritySigner | None,
    addresses: tuple[str, str],
) -> x509.Certificate:
    """Build and sign the certificate of an authority; `issuer` None makes a self-signed root.

    `addresses` is the public URL and the slug of the issuer, for the CRL and AIA addresses.
    """
    public_key = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_usage(role), critical=True)
    )
    if issuer is not None:
        builder = _point_to_issuer(builder, issuer.certificate, addresses)
    for extension, critical in _of_role(role):
        builder = builder.add_extension(extension, critical=critical)
    signing_key = issuer.private_key if issuer else key
    algorithm = issuer.algorithm if issuer else algorithms.default_for(public_key)
    above = subject_of(issuer.certificate) if issuer else subject
    octets = tbs.built(builder, issuer=above, subject=subject, algorithm=algorithm)
    encoded = tbs.assemble(
        octets,
        algorithm_identifier=SIGNATURE_IDENTIFIERS[algorithm.value],
        signature=algorithms.sign(signing_key, algorithm, octets),
    )
    return x509.load_der_x509_certificate(encoded)


def _key_usage(role: AuthorityRole) -> x509.KeyUsage:
    certifies = role in {AuthorityRole.ROOT, AuthorityRole.ISSUING}
    return x509.KeyUsage(
        digital_signature=not certifies,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certifies,
        crl_sign=certifies,
        encipher_only=False,
        decipher_only=False,
    )


def _of_role(role: AuthorityRole) -> list[tuple[x509.ExtensionType, bool]]:
    """List the extensions that make the role, each with its criticality."""
    any_policy = x509.CertificatePolicies([x509.PolicyInformation(_ANY_POLICY, None)])
    match role:
        case AuthorityRole.ROOT:
            return [(x509.BasicConstraints(ca=True, path_length=None), True)]
        case AuthorityRole.ISSUING:
            return [(x509.BasicConstraints(ca=True, path_length=0), True), (any_policy, False)]
        case AuthorityRole.OCSP:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
            return [(usage, False), (x509.OCSPNoCheck(), False)]
        case AuthorityRole.TSA:
            # RFC 3161 2.3: the only purpose, and critical.
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            return [(usage, True)]


def _point_to_issuer(
    builder: x509.CertificateBuilder, issuer: x509.Certificate, addresses: tuple[str, str]
) -> x509.CertificateBuilder:
    """Add who signed it, and where its issuer's certificate, CRL and OCSP answers are."""
    public_url, slug = addresses
    key_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier)
    information = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, _uri(f"{public_url}/ocsp")),
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, _uri(f"{public_url}/pki/{slug}.cer")
            ),
        ]
    )
    points = x509.CRLDistributionPoints(
        [x509.DistributionPoint([_uri(f"{public_url}/pki/{slug}.crl")], None, None, None)]
    )
    return (
        builder.add_extension(authority_key, critical=False)
        .add_extension(information, critical=False)
        .add_extension(points, critical=False)
    )


def _uri(text: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(text)
