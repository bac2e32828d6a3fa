"""Naming the ISO extensions that a signature uses (ISO 32000-2 section 7.12).

Ed25519 is not in ISO 32000-2 itself; ISO/TS 32002:2022 adds it, and asks for an entry in the
catalog so that a reader can say what it lacks.
"""

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ed25519

from pdf.objects import Name, Value

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# ISO's own prefix takes a list, because several of its extensions may be used together.
PREFIX = "ISO_"
_ISO_TS_32002: dict[str, Value] = {
    "Type": Name("DeveloperExtensions"),
    "BaseVersion": Name("2.0"),
    "ExtensionLevel": 32002,
    "ExtensionRevision": ":2022",
    "URL": "https://www.iso.org/standard/45875.html",
}


def extension_for(public_key: "CertificatePublicKeyTypes") -> dict[str, Value] | None:
    """Give the entry that a signature by this key asks for; None for what PDF 2.0 knows."""
    return _ISO_TS_32002 if isinstance(public_key, ed25519.Ed25519PublicKey) else None
