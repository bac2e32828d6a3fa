"""Detached signatures at every level: judged by us, by openssl and by another validator."""

import asyncio
import io
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign.validation import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext

from ca.validation import PathValidator
from pdf.cades import finish_detached, prepare_detached
from pdf.cades_levels import extend_detached, reached
from pdf.detached import DetachedQuestion, verify_detached
from pdf.errors import (
    CertificateUnproven,
    EvidenceUnavailable,
    NothingToExtend,
    SignatureBroken,
    TimestampUnavailable,
)
from pdf.extend import ExtensionOptions
from pdf.options import Level
from pdf.report import DocumentReport, Indication
from tests.pdf.archive_kit import AT, RSA, YEAR, Province
from tests.pdf.signing_kit import raw_signature

CONTENT = b"PK\x03\x04" + "Số liệu quý I\n".encode() * 500
DAY = timedelta(days=1)
LEVELS = tuple(Level)


@pytest.fixture(scope="module")
def province() -> Province:
    return Province()


def signed(province: Province, level: Level = Level.B_B, *, crls: bool = False) -> bytes:
    prepared = prepare_detached(
        io.BytesIO(CONTENT), signer=province.chain, algorithm=RSA, signing_time=AT, level=level
    )
    return finish_detached(
        prepared,
        signature=raw_signature(province.signer.key, RSA, prepared.to_be_signed),
        signer=province.chain,
        timestamps=province.stamps(),
        evidence=province.evidence(province.servers(crls=crls)),
        at=AT,
    ).container


def raised(province: Province, signature: bytes, level: Level, **given: object) -> bytes:
    options: dict[str, object] = {
        "timestamps": province.stamps(),
        "evidence": province.evidence(),
        "at": AT,
        **given,
    }
    return extend_detached(
        signature,
        io.BytesIO(CONTENT),
        ExtensionOptions(level=level, **options),  # type: ignore[arg-type]
    )


def judged(province: Province, signature: bytes, *, at: object = AT + DAY) -> DocumentReport:
    question = DetachedQuestion(content_name="số liệu.xlsx", at=at, checked_at=at)  # type: ignore[arg-type]
    validator = PathValidator([province.root.der])
    return verify_detached(signature, io.BytesIO(CONTENT), question, validator=validator)


def openssl(province: Province, signature: bytes, folder: Path, *more: str) -> str:
    """Let openssl verify; its words, which end in "successful" when it is content."""
    (folder / "root.pem").write_bytes(province.root.cert.public_bytes(Encoding.PEM))
    (folder / "content").write_bytes(CONTENT)
    (folder / "a.p7s").write_bytes(signature)
    told = subprocess.run(
        [
            *("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "a.p7s"),
            *("-content", "content", "-CAfile", "root.pem", "-purpose", "any"),
            *("-out", "/dev/null", *more),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stderr


def other_validator(province: Province, signature: bytes) -> tuple[bool, bool, bool]:
    """Let pyHanko judge; says whether intact, valid and trusted."""
    root = asn1_x509.Certificate.load(province.root.der)
    data = cms.ContentInfo.load(signature)["content"]
    status = asyncio.run(
        async_validate_detached_cms(
            CONTENT, data, signer_validation_context=ValidationContext(trust_roots=[root])
        )
    )
    return status.intact, status.valid, status.trusted


@pytest.mark.parametrize("level", LEVELS)
def test_three_verifiers_agree_on_every_level(
    province: Province, level: Level, tmp_path: Path
) -> None:
    signature = signed(province, level)
    assert openssl(province, signature, tmp_path) == "CAdES Verification successful\n"
    assert other_validator(province, signature) == (True, True, True)
    (ours,) = judged(province, signature).signatures
    assert (ours.level, ours.integrity.digest_match) == (level, True)
    if level.reaches(Level.B_LT):
        assert ours.indication is Indication.TOTAL_PASSED


def test_each_level_is_reached_from_the_one_before_and_signs_nothing_anew(
    province: Province,
) -> None:
    first = signed(province)
    value = cms.ContentInfo.load(first)["content"]["signer_infos"][0]["signature"].native
    data = first
    for level in LEVELS[1:]:
        data = raised(province, data, level)
        info = cms.ContentInfo.load(data)["content"]["signer_infos"][0]
        assert info["signature"].native == value
        assert judged(province, data).signatures[0].level == level
    assert raised(province, first, Level.B_LT) != first
    assert judged(province, raised(province, first, Level.B_LT)).accept


def test_the_evidence_holds_when_nobody_can_be_asked_any_more(province: Province) -> None:
    late = AT + 3 * YEAR  # the signer's certificate has ended
    assert judged(province, signed(province, Level.B_LT), at=late).accept
    assert not judged(province, signed(province, Level.B_T), at=late).accept


def test_openssl_finds_the_revocation_lists_in_the_container(
    province: Province, tmp_path: Path
) -> None:
    with_lists = signed(province, Level.B_LT, crls=True)
    assert "successful" in openssl(province, with_lists, tmp_path, "-crl_check_all")
    without = signed(province, Level.B_T)
    assert "unable to get certificate CRL" in openssl(province, without, tmp_path, "-crl_check_all")


def test_the_container_says_what_it_holds(province: Province) -> None:
    """RFC 5652 section 5.1: version 5 with OCSP answers, else as it was; each thing once."""
    for crls, version in ((True, "v1"), (False, "v5")):
        data = cms.ContentInfo.load(signed(province, Level.B_LT, crls=crls))["content"]
        assert data["version"].native == version
        certificates = [each.dump() for each in data["certificates"]]
        assert len(certificates) == len(set(certificates))
        assert {province.signer.der, province.issuing.der} <= set(certificates)
        assert len(data["crls"]) >= 2


def test_what_has_its_level_is_left_as_it_is(province: Province) -> None:
    for level in (Level.B_T, Level.B_LT):
        data = signed(province, level)
        stamps, servers = province.stamps(), province.servers()
        asked = {"timestamps": stamps, "evidence": province.evidence(servers)}
        assert raised(province, data, level, **asked) == data
        assert (stamps.asked, servers.asked) == (0, 0)


@pytest.mark.parametrize("form", ["DER", "PEM"])
def test_other_peoples_signatures_are_raised_too(
    province: Province, form: str, tmp_path: Path
) -> None:
    """One made by openssl, with two signers, of which each gets its own time-stamp."""
    second = province.issuing.issue("Trần Thị Bưởi", validity=(AT - YEAR, AT + YEAR))
    for name, who in (("one", province.signer), ("two", second)):
        (tmp_path / f"{name}.pem").write_bytes(who.cert.public_bytes(Encoding.PEM))
        key = who.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(key)
    (tmp_path / "content").write_bytes(CONTENT)
    (tmp_path / "issuing.pem").write_bytes(
        x509.load_der_x509_certificate(province.issuing.der).public_bytes(Encoding.PEM)
    )
    made = subprocess.run(
        [
            *("openssl", "cms", "-sign", "-cades", "-binary", "-in", "content", "-outform", form),
            *("-signer", "one.pem", "-inkey", "one.key", "-certfile", "issuing.pem"),
            *("-signer", "two.pem", "-inkey", "two.key"),
        ],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    ).stdout
    data = raised(province, made, Level.B_LT)
    report = judged(province, data)
    assert [each.level for each in report.signatures] == ["B-LT", "B-LT"]
    assert report.accept
    assert "successful" in openssl(province, data, tmp_path)


def test_what_cannot_be_raised_is_refused_with_its_reason(province: Province) -> None:
    first = signed(province)
    broken = bytearray(first)
    broken[-1] ^= 1
    silent = province.evidence(province.servers(silent=True))
    revoked = province.servers(revoked={province.signer.cert.serial_number: AT - DAY})
    stranger = Province().evidence()
    for signature, level, given, error in (
        (first, Level.B_LTA, {"timestamps": None}, TimestampUnavailable),
        (first, Level.B_T, {"timestamps": None}, TimestampUnavailable),
        (first, Level.B_LT, {"evidence": None}, EvidenceUnavailable),
        (first, Level.B_LT, {"evidence": silent}, EvidenceUnavailable),
        (first, Level.B_LT, {"evidence": province.evidence(revoked)}, CertificateUnproven),
        (first, Level.B_LT, {"evidence": stranger}, CertificateUnproven),
        (bytes(broken), Level.B_T, {}, SignatureBroken),
        (b"nonsense", Level.B_T, {}, NothingToExtend),
        (b"", Level.B_T, {}, NothingToExtend),
    ):
        with pytest.raises(error):
            raised(province, signature, level, **given)  # type: ignore[arg-type]


def test_the_level_that_a_container_has_reached_is_told(province: Province) -> None:
    certificate = province.signer.der
    for level in LEVELS:
        made = signed(province, level)
        assert reached(made, io.BytesIO(CONTENT), certificate=certificate) is level
        assert reached(made, io.BytesIO(CONTENT[1:]), certificate=certificate) is None
        assert reached(made, io.BytesIO(CONTENT), certificate=province.issuing.der) is None
        assert reached(made[:-9], io.BytesIO(CONTENT), certificate=certificate) is None
    assert reached(b"", io.BytesIO(CONTENT), certificate=certificate) is None


def test_a_changed_file_is_not_dressed_up(province: Province) -> None:
    options = ExtensionOptions(level=Level.B_T, at=AT, timestamps=province.stamps())
    with pytest.raises(SignatureBroken, match="Trăm"):
        extend_detached(signed(province), io.BytesIO(CONTENT + b" "), options)


def test_every_truncation_of_a_signature_is_refused_in_words(province: Province) -> None:
    first = signed(province)
    for length in range(0, len(first), 53):
        with pytest.raises((NothingToExtend, SignatureBroken)):
            raised(province, first[:length], Level.B_T)
