"""Objects on a token: finding private keys, reading public keys and certificates beside them.

A search is always read to its end before the next call on the session, as PKCS#11 wants it.
"""

from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, cast

import pkcs11
from asn1crypto import core as asn1
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pkcs11.constants import Attribute, CertificateType, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.mechanisms import KeyType, Mechanism

from hsm.errors import KeyNotFound, MechanismUnavailable, SeveralKeysMatch

CURVES: Final[dict[str, type[ec.EllipticCurve]]] = {
    "1.2.840.10045.3.1.7": ec.SECP256R1,
    "1.3.132.0.34": ec.SECP384R1,
    "1.3.132.0.35": ec.SECP521R1,
}
"""Named curves by object identifier (RFC 5480 2.1.1.1)."""

TokenPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
_Template = dict[Attribute, object]
T = TypeVar("T")


class SigningHandle(Protocol):
    """A private key's handle in one session, as the binding gives it."""

    def sign(
        self, data: bytes, *, mechanism: Mechanism, mechanism_param: object, pin: str | None
    ) -> bytes:
        """Sign, logging in for this one operation when *pin* is given."""
        ...

    def __getitem__(self, attribute: Attribute) -> object:
        """Read an attribute."""
        ...


@dataclass(frozen=True, slots=True)
class KeyReference:
    """What names a private key on its token: CKA_ID, CKA_LABEL, or both."""

    id: bytes | None
    label: str | None

    def template(self, object_class: ObjectClass) -> _Template:
        """Build the search template for an object of that class with these names."""
        template: _Template = {Attribute.CLASS: object_class}
        if self.id is not None:
            template[Attribute.ID] = self.id
        if self.label is not None:
            template[Attribute.LABEL] = self.label
        return template

    def __str__(self) -> str:
        parts = [] if self.id is None else [f"id {self.id.hex()}"]
        parts += [] if self.label is None else [f"label {self.label!r}"]
        return " and ".join(parts) or "any name"


@dataclass(frozen=True, slots=True)
class KeyOnToken:
    """A private key that was found: its full name, its public half, how it wants to be used."""

    reference: KeyReference
    public_key: TokenPublicKey
    always_authenticate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenObject:
    """One line of a token's inventory."""

    kind: str
    """``private``, ``public``, ``cert``, ``secret-key`` or ``data``, as in a URI's ``type``."""
    id: bytes
    label: str
    key_type: str | None = None
    certificate: bytes | None = None
    """DER, for ``cert``."""


def search(session: pkcs11.Session, template: _Template) -> list[pkcs11.Object]:
    """Every object that matches."""
    return list(session.get_objects(template))


def find_key(session: pkcs11.Session, reference: KeyReference) -> SigningHandle:
    """Find the one private key of that name; raises KeyNotFound or SeveralKeysMatch."""
    found = search(session, reference.template(ObjectClass.PRIVATE_KEY))
    if not found:
        raise KeyNotFound(f"no private key with {reference} on the token")
    if len(found) > 1:
        raise SeveralKeysMatch(f"{len(found)} private keys with {reference} on the token")
    return cast("SigningHandle", found[0])


def describe_key(session: pkcs11.Session, reference: KeyReference) -> KeyOnToken:
    """Find a private key and what belongs to it."""
    key = find_key(session, reference)
    if not isinstance(key, pkcs11.SignMixin):
        raise MechanismUnavailable(f"the private key with {reference} is not allowed to sign")
    key_id = _attribute(key, Attribute.ID, b"")
    label = reference.label if reference.id is None else None
    full = KeyReference(key_id, None) if key_id else KeyReference(None, label)
    if len(search(session, full.template(ObjectClass.PRIVATE_KEY))) != 1:
        full = KeyReference(key_id or None, _attribute(key, Attribute.LABEL, ""))
    return KeyOnToken(
        reference=full,
        public_key=_public_half(session, key, full),
        always_authenticate=_attribute(key, Attribute.ALWAYS_AUTHENTICATE, default=False),
    )


def certificates(session: pkcs11.Session, reference: KeyReference) -> list[bytes]:
    """Read the DER certificates with the key's id; without an id those of its label.

    Certificates often carry a label of their own, so a label counts only when there is no id, and a
    label that no certificate has is taken as the key's, whose id then leads to its certificates.
    """
    reference = KeyReference(reference.id, None) if reference.id else reference
    template = reference.template(ObjectClass.CERTIFICATE)
    template[Attribute.CERTIFICATE_TYPE] = CertificateType.X_509
    found = search(session, template)
    if not found and reference.label is not None:
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            for key in search(session, reference.template(kind)):
                key_id = _attribute(key, Attribute.ID, b"")
                if key_id:
                    return certificates(session, KeyReference(key_id, None))
    ders = [_attribute(certificate, Attribute.VALUE, b"") for certificate in found]
    return [der for der in dict.fromkeys(ders) if der]


_KINDS: Final = {
    ObjectClass.PRIVATE_KEY: "private",
    ObjectClass.PUBLIC_KEY: "public",
    ObjectClass.CERTIFICATE: "cert",
    ObjectClass.SECRET_KEY: "secret-key",
    ObjectClass.DATA: "data",
}


def inventory(session: pkcs11.Session) -> list[TokenObject]:
    """Everything the session may see, ordered by kind, id and label."""
    lines = []
    for item in search(session, {}):
        kind = _KINDS.get(_attribute(item, Attribute.CLASS, ObjectClass.OTP_KEY))
        if kind is None:
            continue
        key_type = _key_type(item)
        lines.append(
            TokenObject(
                kind=kind,
                id=_attribute(item, Attribute.ID, b""),
                label=_attribute(item, Attribute.LABEL, ""),
                key_type=None if key_type is None else key_type.name.lower(),
                certificate=_attribute(item, Attribute.VALUE, b"") if kind == "cert" else None,
            )
        )
    return sorted(lines, key=lambda line: (line.kind, line.id, line.label))


def _key_type(item: pkcs11.Object | SigningHandle) -> KeyType | None:
    return _attribute(item, Attribute.KEY_TYPE, None)


def _attribute(item: pkcs11.Object | SigningHandle, attribute: Attribute, default: T) -> T:
    """Read an attribute; the default when the token does not have it or garbles it."""
    try:
        value = cast("T", item[attribute])
    except (PKCS11Error, ValueError, KeyError, IndexError, NotImplementedError):
        return default
    return value


def _public_half(
    session: pkcs11.Session, key: SigningHandle, reference: KeyReference
) -> TokenPublicKey:
    """Read the public key from its object, the private key's attributes or a certificate."""
    kind = _key_type(key)
    name = KeyReference(reference.id, None) if reference.id else reference
    for public in search(session, name.template(ObjectClass.PUBLIC_KEY)):
        if _key_type(public) == kind:
            read = _read_public(public, kind)
            if read is not None:
                return read
    read = _read_public(key, kind)
    if read is not None:
        return read
    for der in certificates(session, KeyReference(reference.id, None)) if reference.id else []:
        try:
            public_key = x509.load_der_x509_certificate(der).public_key()
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(public_key, TokenPublicKey):
            return public_key
    raise MechanismUnavailable(f"the public half of the key with {reference} cannot be read")


def _read_public(
    item: pkcs11.Object | SigningHandle, kind: KeyType | None
) -> TokenPublicKey | None:
    try:
        if kind == KeyType.RSA:
            return rsa.RSAPublicNumbers(
                int.from_bytes(_attribute(item, Attribute.PUBLIC_EXPONENT, b""), "big"),
                int.from_bytes(_attribute(item, Attribute.MODULUS, b""), "big"),
            ).public_key()
        if kind == KeyType.EC:
            oid = asn1.ObjectIdentifier.load(_attribute(item, Attribute.EC_PARAMS, b"")).dotted
            point = _attribute(item, Attribute.EC_POINT, b"")
            return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[oid](), _unwrapped(point))
        if kind == KeyType.EC_EDWARDS:
            # Ed448 has the same type of key; its point is longer and refused here.
            point = _attribute(item, Attribute.EC_POINT, b"")
            return ed25519.Ed25519PublicKey.from_public_bytes(_unwrapped(point))
    except (ValueError, KeyError):
        return None
    return None


def _unwrapped(point: bytes) -> bytes:
    """CKA_EC_POINT is an OCTET STRING around the point (PKCS#11 2.40, 2.3.3); some omit it."""
    try:
        return bytes(asn1.OctetString.load(point, strict=True).native)
    except ValueError:
        return point
