"""The openssl command line as a second opinion."""

import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run openssl; the caller looks at the return code and both outputs."""
    return subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


def write_pem(path: Path, *certificates: bytes) -> Path:
    """Write DER certificates as one PEM file."""
    pem = [x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM) for one in certificates]
    path.write_bytes(b"".join(pem))
    return path
