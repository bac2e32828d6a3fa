"""CMS signatures over any content made by hand, and those inside PDF files changed by hand."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ca import der
from tests.ca.hierarchy import Entity

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_SET = 0x31
SHAKE256 = ("2.16.840.1.101.3.4.2.12", "2.16.840.1.101.3.4.2.18")
POLICY_ATTRIBUTE = "1.2.840.113549.1.9.16.2.15"
CONTENT_TIME_STAMP = "1.2.840.113549.1.9.16.2.20"


Attributes = list[dict[str, object]]


@dataclass(kw_only=True)
class Detached:
    """One signer over `content`; `attributes` are more signed ones, by object identifier."""

    content: bytes
    signer: Entity
    others: Sequence[Entity] = ()
    digest: str = "sha256"
    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    attributes: dict[str, bytes] = field(default_factory=dict)
    algorithm: str | None = None
    """Of the signature; None: the usual one for key and digest."""
    stamp: Callable[[bytes, str], bytes] | None = None
    """Makes the time-stamp over the signature value."""
    sign: Callable[[bytes], bytes] | None = None
    """Makes the signature value in another way than key and digest suggest."""
    listed: Callable[[Attributes], Attributes] = list
    """Changes the signed attributes before they are signed."""
    infos: Callable[[dict[str, object]], list[dict[str, object]]] = lambda info: [info]
    """Gives the SignerInfos, of the one that is right."""
    carried: bytes | None = None
    """Content inside."""

    def encoded(self) -> bytes:
        own = asn1_x509.Certificate.load(self.signer.der)
        attributes = self._signed(own)
        value = self._value(attributes.dump())
        identity = {"issuer": own.issuer, "serial_number": own.serial_number}
        info = {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", identity),
            "digest_algorithm": {"algorithm": self.digest},
            "signature_algorithm": {"algorithm": self._algorithm()},
            "signed_attrs": attributes,
            "signature": value,
        }
        if self.stamp is not None:
            token = self.stamp(hashlib.sha256(value).digest(), "sha256")
            loaded = cms.ContentInfo.load(token)
            info["unsigned_attrs"] = [{"type": "signature_time_stamp_token", "values": [loaded]}]
        certificates = [own, *(asn1_x509.Certificate.load(one.der) for one in self.others)]
        data = {
            "version": "v1",
            "digest_algorithms": [{"algorithm": self.digest}],
            "encap_content_info": {"content_type": "data"},
            "certificates": certificates,
            "signer_infos": self.infos(info),
        }
        if self.carried is not None:
            data["encap_content_info"] = {"content_type": "data", "content": self.carried}
        whole = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(data)})
        return bytes(whole.dump())

    def _value(self, data: bytes) -> bytes:
        key = self.signer.key
        if self.sign is not None:
            return self.sign(data)
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), _HASHES[self.digest]())
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, ec.ECDSA(_HASHES[self.digest]()))
        return bytes(key.sign(data))

    def _algorithm(self) -> str:
        if self.algorithm is not None:
            return self.algorithm
        kinds = {rsa.RSAPrivateKey: "rsa", ec.EllipticCurvePrivateKey: "ecdsa"}
        found = [word for kind, word in kinds.items() if isinstance(self.signer.key, kind)]
        return f"{self.digest}_{found[0]}"

    def _signed(self, own: asn1_x509.Certificate) -> cms.CMSAttributes:
        reference = {"cert_hash": hashlib.sha256(own.dump()).digest()}
        listed: Attributes = [
            {"type": "content_type", "values": ["data"]},
            {"type": "signing_time", "values": [cms.Time({"utc_time": self.at})]},
            {
                "type": "message_digest",
                "values": [_digest(self.digest, self.content)],
            },
            {"type": "signing_certificate_v2", "values": [{"certs": [reference]}]},
        ]
        made = [cms.CMSAttribute(one) for one in self.listed(listed)]
        for identifier, value in self.attributes.items():
            name = core.ObjectIdentifier(identifier).dump()
            made.append(cms.CMSAttribute.load(der.sequence(name, der.tlv(_SET, value))))
        return cms.CMSAttributes(made)


def _digest(name: str, data: bytes) -> bytes:
    if name in SHAKE256:
        return hashlib.shake_256(data).digest(64)
    return hashlib.new(name, data).digest()


def policy(identifier: str, digest: bytes) -> bytes:
    """A SignaturePolicyId (EN 319 122-1 clause 5.2.9.1)."""
    algorithm = algos.DigestAlgorithm({"algorithm": "sha256"}).dump()
    hashed = der.sequence(algorithm, core.OctetString(digest).dump())
    return der.sequence(core.ObjectIdentifier(identifier).dump(), hashed)


_CONTENTS = re.compile(rb"/Contents\s*<([0-9A-Fa-f]+)>")


def with_changed_cms(data: bytes, change: Callable[[cms.SignedData], None]) -> bytes:
    """Change the CMS of the last signature in a PDF; it has to become no longer."""
    found = list(_CONTENTS.finditer(data))[-1]
    raw = bytes.fromhex(found[1].decode())
    info = cms.ContentInfo.load(raw)
    change(info["content"])
    encoded = info.dump(force=True)
    assert len(encoded) <= len(raw)
    return (
        data[: found.start(1)]
        + encoded.ljust(len(raw), b"\0").hex().encode()
        + data[found.end(1) :]
    )
