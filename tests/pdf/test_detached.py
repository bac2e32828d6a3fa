"""Detached and enveloping CMS over any file, made by openssl and judged like a PDF's signature."""

import base64
import io
import subprocess
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from pdf.detached import DetachedQuestion, looks_like_cms, verify_detached
from pdf.report import DocumentReport, Indication
from tests.pdf.signing_kit import NOW, person
from tests.pdf.verifying_kit import TRUST_ALL, TRUST_NOTHING, FixedValidator

CONTENT = "Quyết định số 12/QĐ-UBND\n".encode() * 1000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for kind in ("rsa", "ecdsa"):
        who = person(kind)
        (tmp_path / f"{kind}.pem").write_bytes(who.certificate.public_bytes(Encoding.PEM))
        (tmp_path / f"{kind}.key").write_bytes(
            who.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
    (tmp_path / "content.bin").write_bytes(CONTENT)
    return tmp_path


def made(home: Path, *more: str, kind: str = "rsa") -> bytes:
    """Sign with openssl cms."""
    signer = ["-signer", f"{kind}.pem", "-inkey", f"{kind}.key"]
    done = subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-in", "content.bin", *signer, *more],
        cwd=home,
        capture_output=True,
        check=True,
    )
    return done.stdout


def judged(
    signature: bytes,
    content: bytes | None = CONTENT,
    *,
    validator: FixedValidator = TRUST_ALL,
) -> DocumentReport:
    question = DetachedQuestion(content_name="content.bin", at=NOW, checked_at=NOW)
    source = None if content is None else io.BytesIO(content)
    return verify_detached(signature, source, question, validator=validator)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
@pytest.mark.parametrize("form", ["DER", "PEM"])
@pytest.mark.parametrize("cades", [(), ("-cades",)])
def test_a_detached_signature_passes(
    home: Path, kind: str, form: str, cades: tuple[str, ...]
) -> None:
    report = judged(made(home, "-outform", form, *cades, kind=kind))
    (signature,) = report.signatures
    assert report.indication is Indication.TOTAL_PASSED
    assert report.accept
    assert signature.level == ("B-B" if cades else "PKCS7")
    assert signature.integrity.digest_match
    assert signature.signer is not None
    assert report.size == len(CONTENT)


def test_base64_without_armour_is_read(home: Path) -> None:
    assert judged(base64.encodebytes(made(home, "-outform", "DER"))).accept


def test_another_content_fails(home: Path) -> None:
    report = judged(made(home, "-outform", "DER"), CONTENT + b" ")
    assert report.signatures[0].sub_indication == "HASH_FAILURE"
    assert not report.accept


def test_a_changed_signature_value_fails(home: Path) -> None:
    signature = bytearray(made(home, "-outform", "DER"))
    signature[-1] ^= 1
    assert judged(bytes(signature)).signatures[0].sub_indication == "SIG_CRYPTO_FAILURE"


def test_without_the_content_nothing_is_concluded(home: Path) -> None:
    report = judged(made(home, "-outform", "DER"), None)
    assert report.indication is Indication.INDETERMINATE
    assert report.signatures[0].sub_indication == "SIGNED_DATA_NOT_FOUND"


def test_an_enveloping_signature_carries_its_content(home: Path) -> None:
    signature = made(home, "-outform", "DER", "-nodetach")
    assert judged(signature, None).accept
    assert judged(signature).accept
    assert judged(signature, b"other").signatures[0].sub_indication == "HASH_FAILURE"


def test_every_signer_is_a_signature_of_the_report(home: Path) -> None:
    report = judged(made(home, "-outform", "DER", "-signer", "ecdsa.pem", "-inkey", "ecdsa.key"))
    assert len(report.signatures) == 2
    assert report.accept
    assert len({s.signer.sha256_fingerprint for s in report.signatures if s.signer}) == 2


def test_an_untrusted_signer_is_in_doubt(home: Path) -> None:
    report = judged(made(home, "-outform", "DER"), validator=TRUST_NOTHING)
    assert report.indication is Indication.INDETERMINATE


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"\x30\x80", b"-----BEGIN CMS-----\n?\n-----END"]
)
def test_bytes_that_are_no_cms_are_a_format_failure(data: bytes) -> None:
    report = judged(data)
    assert report.indication is Indication.TOTAL_FAILED
    assert report.signatures[0].sub_indication == "FORMAT_FAILURE"


def test_every_truncation_and_flip_of_a_signature_is_answered(home: Path) -> None:
    signature = made(home, "-outform", "DER")
    for position in range(0, len(signature), 7):
        flipped = bytearray(signature)
        flipped[position] ^= 0x41
        for data in (signature[:position], bytes(flipped)):
            assert judged(data, validator=TRUST_NOTHING).signatures


def test_cms_is_known_by_its_first_bytes(home: Path) -> None:
    assert looks_like_cms(made(home, "-outform", "DER"))
    assert looks_like_cms(made(home, "-outform", "PEM"))
    assert not looks_like_cms(b"%PDF-1.7")


def test_attack_the_attributes_of_a_signature_passed_off_as_a_file(home: Path) -> None:
    """What is signed with attributes is their encoding; alone it would be a file without any."""
    info = cms.ContentInfo.load(made(home, "-outform", "DER"))["content"]
    signer = info["signer_infos"][0]
    attributes = signer["signed_attrs"].untag().dump()
    del signer["signed_attrs"]
    whole = cms.ContentInfo({"content_type": "signed_data", "content": info})
    report = judged(whole.dump(force=True), attributes)
    (signature,) = report.signatures
    assert (signature.indication, signature.sub_indication) == (
        Indication.TOTAL_FAILED,
        "FORMAT_FAILURE",
    )
    assert "CONTENT_READS_AS_ATTRIBUTES" in {message.code for message in signature.messages}


def test_a_signature_without_attributes_over_a_file_passes(home: Path) -> None:
    report = judged(made(home, "-outform", "DER", "-noattr"))
    assert report.indication is Indication.TOTAL_PASSED
