"""The examples of the README do what the README says, in the order it shows them."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import NameOID

from tests.bench.http_service import service

ROOT = Path(__file__).parents[2]
PIN = "một-mật-khẩu"
NOW = dt.datetime.now(dt.UTC)

SIGN, VERIFY, OVER_HTTP = (
    next(
        block
        for block in re.findall(
            r"^```sh\n(.*?)^```",
            (ROOT / "README.md").read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
        if command in block
    )
    for command in ("antin sign ", "antin verify ", "curl ")
)


def certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    issuer: x509.Certificate | None = None,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage |= {"content_commitment": True} if issuer else {"key_cert_sign": True, "crl_sign": True}
    signing_key = issuer_key or key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=1))
        .not_valid_after(NOW + dt.timedelta(days=300))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
        .sign(signing_key, hashes.SHA256())
    )


def letter() -> bytes:
    """Write a one-page PDF by hand."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
    ]
    content, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        content
        + b"xref\n0 4\n0000000000 65535 f \n%strailer\n<< /Size 4 /Root 1 0 R >>\n" % (table)
        + b"startxref\n%d\n%%%%EOF\n" % len(content)
    )


@pytest.fixture(scope="module")
def officers_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: a letter, a key file, its PIN and the root."""
    desk = tmp_path_factory.mktemp("desk")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("Root of the example", root_key)
    own = certificate("Nguyễn Thị Ánh", key, issuer=root, issuer_key=root_key)
    encryption = BestAvailableEncryption(PIN.encode())
    (desk / "officer.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(b"officer", key, own, [root], encryption)
    )
    (desk / "pin.txt").write_text(PIN, encoding="utf-8")
    (desk / "pin.txt").chmod(0o600)
    (desk / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (desk / "letter.pdf").write_bytes(letter())
    (desk / ".venv").symlink_to(Path(sys.executable).parents[1])
    return desk


def run(example: str, desk: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-eu", "-c", example],
        cwd=desk,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_signing_example_signs(officers_desk: Path) -> None:
    outcome = run(SIGN, officers_desk)

    assert outcome.returncode == 0, outcome.stderr
    opinion = run("pdfsig -nocert signed.pdf && qpdf --check signed.pdf", officers_desk)
    assert "Signature is Valid." in opinion.stdout, opinion.stdout + opinion.stderr
    assert "Total document signed" in opinion.stdout


def test_the_verifying_example_verifies(officers_desk: Path) -> None:
    if not (officers_desk / "signed.pdf").exists():
        assert run(SIGN, officers_desk).returncode == 0

    outcome = run(VERIFY, officers_desk)

    # Valid, with a warning: the example's root offers no way to ask for a certificate's status.
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "Nguyễn Thị Ánh" in outcome.stdout


def test_the_http_example_gives_the_report(officers_desk: Path) -> None:
    if not (officers_desk / "signed.pdf").exists():
        assert run(SIGN, officers_desk).returncode == 0

    with service() as running:
        example = OVER_HTTP.replace(":8000/", f":{running.server.port}/")
        outcome = run(example, officers_desk, ANTIN_TOKEN=running.token)

    assert outcome.returncode == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report["indication"] == "INDETERMINATE"  # a root that the service was not told of
    assert report["signatures"][0]["integrity"]["coverage"] == "WHOLE_FILE"
