"""Work on a token beyond signing: make keys, list what is there, write and remove objects.

Private keys made here are sensitive, not extractable, private, and may only sign. What the token
really did is read back; a key that could be copied off the token is destroyed and refused.
"""

import secrets
from typing import Final

import pkcs11
from asn1crypto import core as asn1
from asn1crypto import csr as asn1_csr
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11.constants import Attribute, CertificateType, MechanismFlag, ObjectClass
from pkcs11.mechanisms import KeyType, Mechanism

from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, default_for, sign
from hsm.errors import CertificateMismatch, KeyNotFound, MechanismUnavailable
from hsm.key_uri import KeyURI
from hsm.objects import KeyReference, TokenObject, describe_key, inventory, search
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMHome, SoftHSMToken, create_softhsm_token
from hsm.token_list import TokenDescription, list_tokens

__all__ = [
    "SoftHSMHome",
    "SoftHSMToken",
    "TokenDescription",
    "certificate_request",
    "create_softhsm_token",
    "destroy_key",
    "generate_key",
    "list_objects",
    "list_tokens",
    "write_certificate",
]

ID_BYTES: Final = 16
"""Random CKA_ID of a new key: long enough never to repeat, short enough for every token."""

_ALGORITHMS: Final = {
    SignatureAlgorithm.RSA_PKCS1_SHA256: "sha256_rsa",
    SignatureAlgorithm.ECDSA_SHA256: "sha256_ecdsa",
    SignatureAlgorithm.ECDSA_SHA384: "sha384_ecdsa",
    SignatureAlgorithm.ECDSA_SHA512: "sha512_ecdsa",
    SignatureAlgorithm.ED25519: "1.3.101.112",
    SignatureAlgorithm.ML_DSA_65: "2.16.840.1.101.3.4.3.18",
}
"""What `default_for` chooses, as a request names it (RFC 5912, RFC 8410, RFC 9881)."""

_MODULUS: Final = {
    KeyAlgorithm.RSA_2048: 2048,
    KeyAlgorithm.RSA_3072: 3072,
    KeyAlgorithm.RSA_4096: 4096,
}
_CURVES: Final = {
    KeyAlgorithm.P_256: "1.2.840.10045.3.1.7",
    KeyAlgorithm.P_384: "1.3.132.0.34",
    KeyAlgorithm.ED25519: "1.3.101.112",
}
"""Curves by object identifier (RFC 5480 2.1.1.1, RFC 8410 3)."""


def generate_key(
    store: KeyStore,
    token_uri: KeyURI,
    *,
    label: str,
    algorithm: KeyAlgorithm,
    always_authenticate: bool = False,
) -> KeyURI:
    """Make a key pair on the token; the result names it by serial and id, and carries *label*.

    With *always_authenticate* the token wants the PIN at every signature. Raises
    MechanismUnavailable when the token has no such key or does not protect it.
    """
    sessions = store.token(token_uri)
    key_id = secrets.token_bytes(ID_BYTES)
    private = _private_template()
    if always_authenticate:
        private[Attribute.ALWAYS_AUTHENTICATE] = True

    def make(session: pkcs11.Session) -> None:
        public_key, private_key = _key_pair(session, algorithm, (key_id, label), private)
        if not _stays(private_key):
            private_key.destroy()
            public_key.destroy()
            raise MechanismUnavailable("the token would let the private key be copied off it")

    sessions.run_writable(make)
    named = KeyURI.for_token(serial=sessions.login.serial, label=token_uri.token)
    return KeyURI(
        scheme=named.scheme,
        attributes=named.with_key(label=label).attributes,
        id=key_id,
        module_name=token_uri.module_name,
        module_path=token_uri.module_path,
        pin_source=token_uri.pin_source,
    )


def _private_template() -> dict[Attribute, object]:
    return {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
        Attribute.DERIVE: False,
    }


def _key_pair(
    session: pkcs11.Session,
    algorithm: KeyAlgorithm,
    name: tuple[bytes, str],
    private: dict[Attribute, object],
) -> tuple[pkcs11.PublicKey, pkcs11.PrivateKey]:
    key_id, label = name
    capabilities = MechanismFlag.SIGN | MechanismFlag.VERIFY
    if algorithm in _MODULUS:
        return session.generate_keypair(
            KeyType.RSA,
            _MODULUS[algorithm],
            id=key_id,
            label=label,
            store=True,
            capabilities=capabilities,
            mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN,
            private_template=private,
        )
    edwards = algorithm is KeyAlgorithm.ED25519
    curve = session.create_domain_parameters(
        KeyType.EC_EDWARDS if edwards else KeyType.EC,
        {Attribute.EC_PARAMS: asn1.ObjectIdentifier(_CURVES[algorithm]).dump()},
        local=True,
    )
    return curve.generate_keypair(
        id=key_id,
        label=label,
        store=True,
        capabilities=capabilities,
        mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN if edwards else Mechanism.EC_KEY_PAIR_GEN,
        private_template=private,
    )


def _stays(key: pkcs11.PrivateKey) -> bool:
    return bool(key[Attribute.SENSITIVE]) and not bool(key[Attribute.EXTRACTABLE])


def certificate_request(
    store: KeyStore, key_uri: KeyURI, *, common_name: str
) -> x509.CertificateSigningRequest:
    """Make a certificate request (RFC 2986) signed by the key: the proof that the token has it.

    Only the name of the holder is in it, as long as it is; everything else of a certificate is the
    issuer's to say.
    """
    key = store.open(key_uri)
    public_key = key.public_key()
    algorithm = default_for(public_key)
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    information = asn1_csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": asn1_x509.Name.build({"common_name": common_name}),
            "subject_pk_info": asn1_keys.PublicKeyInfo.load(encoded),
            "attributes": [],
        }
    )
    request = asn1_csr.CertificationRequest(
        {
            "certification_request_info": information,
            "signature_algorithm": {"algorithm": _ALGORITHMS[algorithm]},
            "signature": sign(key, algorithm, information.dump()),
        }
    )
    return x509.load_der_x509_csr(request.dump())


def list_objects(store: KeyStore, token_uri: KeyURI) -> list[TokenObject]:
    """List keys, certificates and data of the token, ordered by kind, id and label."""
    return store.token(token_uri).run(lambda pooled: inventory(pooled.session))


def write_certificate(store: KeyStore, key_uri: KeyURI, *, certificate: bytes) -> None:
    """Store a DER certificate beside its key, under the key's id and label; once, if repeated.

    Raises CertificateMismatch when it is about another key, or no certificate at all.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise CertificateMismatch("this is not a DER certificate") from error
    sessions = store.token(key_uri)
    found = sessions.run(
        lambda pooled: describe_key(pooled.session, KeyReference(key_uri.id, key_uri.object))
    )
    if parsed.public_key() != found.public_key:
        raise CertificateMismatch("the certificate is about another key")
    names = asn1_x509.Certificate.load(certificate)["tbs_certificate"]  # octets as they stand
    template = {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: False,
        Attribute.ID: found.reference.id or b"",
        Attribute.LABEL: key_uri.object or found.reference.label or "",
        Attribute.SUBJECT: names["subject"].dump(),
        Attribute.ISSUER: names["issuer"].dump(),
        Attribute.SERIAL_NUMBER: asn1.Integer(parsed.serial_number).dump(),
        Attribute.VALUE: certificate,
    }

    def write(session: pkcs11.Session) -> None:
        same = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.VALUE: certificate}
        if not search(session, same):
            session.create_object(template)

    sessions.run_writable(write)


def destroy_key(store: KeyStore, key_uri: KeyURI) -> None:
    """Remove a key pair and its certificates from the token, for good."""
    if key_uri.id is None:
        raise KeyNotFound("a key is destroyed by its id only")
    sessions = store.token(key_uri)
    reference = KeyReference(key_uri.id, None)

    def remove(session: pkcs11.Session) -> None:
        kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY, ObjectClass.CERTIFICATE)
        found = [item for kind in kinds for item in search(session, reference.template(kind))]
        if not found:
            raise KeyNotFound(f"no key with {reference} on the token")
        for item in found:
            item.destroy()

    sessions.run_writable(remove)
