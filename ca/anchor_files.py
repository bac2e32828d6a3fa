"""Trust anchors in files and folders: PEM, DER and P7B. No database is needed for them.

A file that cannot be read is an error and not a silent gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from ca import der
from ca.errors import AnchorUnreadable
from ca.parsed_certificates import parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
"""All roots of a country in one PEM file have about 1 MB."""
_SUFFIXES: Final = frozenset({".pem", ".crt", ".cer", ".der", ".p7b", ".p7c"})
_PEM: Final = b"-----BEGIN "
_SIGNED_DATA: Final = der.object_identifier("1.2.840.113549.1.7.2")


def load_pem_anchors(paths: Iterable[Path]) -> list[bytes]:
    """Read anchors from PEM, DER and P7B files; of a folder, every file with such a suffix.

    DER of each certificate once, in the order of reading. AnchorUnreadable names the first file
    that holds no certificate; a folder without any is an error too.
    """
    found: dict[bytes, None] = {}
    for path in paths:
        for file in _files(path):
            for encoded in certificates_in(_read(file), str(file)):
                found[encoded] = None
    return list(found)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(one for one in path.iterdir() if one.suffix.lower() in _SUFFIXES)
    if not files:
        raise AnchorUnreadable(f"{path}: no certificate file in this folder")
    return files


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise AnchorUnreadable(f"{file}: too large")
        return file.read_bytes()
    except OSError as error:
        raise AnchorUnreadable(f"{file}: {error.strerror}") from error


def certificates_in(data: bytes, origin: str) -> list[bytes]:
    """Read every certificate of a file, whichever of the formats it has."""
    try:
        if _PEM + b"PKCS7" in data:
            found = pkcs7.load_pem_pkcs7_certificates(data)
        elif _PEM in data:
            found = x509.load_pem_x509_certificates(data)
        elif data[:1] == b"\x30" and _SIGNED_DATA in data[:32]:
            found = pkcs7.load_der_pkcs7_certificates(data)
        else:
            return [_der(data)]
        return [_der(one.public_bytes(Encoding.DER)) for one in found]
    except (ValueError, TypeError) as error:
        raise AnchorUnreadable(f"{origin}: no certificate in PEM or DER") from error


def _der(data: bytes) -> bytes:
    """Return a certificate that can be read in full, as it came."""
    return parse(data).der
