"""Which certificate `antin sign` takes when its key has several."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from tests.api.test_command_line import antin
from tests.pdf.signing_kit import blank_pdf, pdfsig

NOW = datetime.now(UTC)


def certificate(
    key: ec.EllipticCurvePrivateKey, name: str, begins: int, days: int
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin = NOW + timedelta(days=begins)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, x509.Certificate]:
    """A key file with an expired certificate, two in force, one of the future, and a stranger's."""
    key, stranger = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    found = {
        "expired": certificate(key, "expired", -800, 365),
        "older": certificate(key, "older", -400, 800),
        "newer": certificate(key, "newer", -10, 800),
        "future": certificate(key, "future", 10, 800),
        "stranger": certificate(stranger, "stranger", -1, 800),
    }
    expired, *others = found.values()
    content = pkcs12.serialize_key_and_certificates(
        b"k", key, expired, others, BestAvailableEncryption(b"none")
    )
    (tmp_path / "key.p12").write_bytes(content)
    (tmp_path / "a.pdf").write_bytes(blank_pdf())
    (tmp_path / "pin").write_text("none")
    return found


def fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def signer(folder: Path, *options: str) -> str:
    """Sign, and say who signed as another program reads it."""
    key = f"soft:{folder}/key.p12?pin-source=file:{folder}/pin"
    done = antin("sign", "a.pdf", "out.pdf", "--key", key, *options, cwd=folder)
    if done.returncode:
        return done.stderr
    opinion = pdfsig(folder / "out.pdf")
    assert opinion.valid == 1
    return opinion.text


def test_the_newest_certificate_that_is_in_force_is_taken(
    tmp_path: Path, certificates: dict[str, x509.Certificate]
) -> None:
    assert len(certificates) == 5
    assert "Common Name: newer" in signer(tmp_path)


def test_a_fingerprint_names_a_certificate_exactly(
    tmp_path: Path, certificates: dict[str, x509.Certificate]
) -> None:
    shown = fingerprint(certificates["older"]).upper()
    colons = ":".join(shown[at : at + 2] for at in range(0, len(shown), 2))
    assert "Common Name: older" in signer(tmp_path, "--cert", f"sha256:{colons}")
    strange = f"sha256:{fingerprint(certificates['stranger'])}"
    assert "fingerprint" in signer(tmp_path, "--cert", strange)


def test_a_certificate_of_another_key_is_refused_and_not_passed_over(
    certificates: dict[str, x509.Certificate], tmp_path: Path
) -> None:
    for name in ("stranger", "older"):
        (tmp_path / "c.pem").write_bytes(certificates[name].public_bytes(Encoding.PEM))
        key = f"soft:{tmp_path}/key.p12?pin-source=file:{tmp_path}/pin"
        done = antin("sign", "a.pdf", f"{name}.pdf", "--key", key, "--cert", "c.pem", cwd=tmp_path)
        assert done.returncode == (name == "stranger"), done.stderr
    assert not (tmp_path / "stranger.pdf").exists()
    assert pdfsig(tmp_path / "older.pdf").valid == 1
    told = antin("verify", "older.pdf", "--offline", "--format", "json", cwd=tmp_path).stdout
    assert json.loads(told)["signatures"][0]["signer"]["common_name"] == "older"
