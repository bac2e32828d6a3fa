"""Reports as XML, HTML and PDF: the same facts, in both languages, whatever names they carry."""

import html as html_text
import io
import json
import subprocess
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pypdfium2
import pytest

from ca.validation import PathValidator
from pdf.options import Level
from pdf.report import CRITERIA, JSON, DocumentReport
from pdf.report_html import html
from pdf.report_pdf import pdf
from pdf.report_sheet import report_sheet
from pdf.report_words import Language, shown
from pdf.report_xml import xml
from pdf.return_notice import return_notice
from pdf.verify import verify
from tests.pdf.archive_kit import AT, Province
from tests.pdf.etsi_schema import NAMESPACE, problems
from tests.pdf.signing_kit import CORPUS, NOW, blank_pdf, sign
from tests.pdf.verifying_kit import TRUST_NOTHING, check

VR = f"{{{NAMESPACE}}}"


def signed() -> bytes:
    return sign(blank_pdf())


def good() -> DocumentReport:
    return check(signed())


def broken() -> DocumentReport:
    data = bytearray(signed())
    data[data.index(b"/MediaBox") + 11] ^= 1
    return check(bytes(data))


def nameless() -> DocumentReport:
    return check(b"no PDF at all")


REPORTS = {
    "good": good,
    "broken": broken,
    "untrusted": lambda: check(signed(), validator=TRUST_NOTHING),
    "unsigned": lambda: check(blank_pdf()),
    "nothing": nameless,
}


def text_of(paper: bytes) -> str:
    with pypdfium2.PdfDocument(paper) as document:
        return "\n".join(page.get_textpage().get_text_bounded() for page in document)


@pytest.mark.parametrize("kind", REPORTS)
def test_the_xml_is_valid_against_the_schema_of_the_standard(kind: str) -> None:
    written = xml(REPORTS[kind]().to_dict())
    assert ET.fromstring(written).tag == f"{VR}ValidationReport"  # noqa: S314 -- our own bytes
    assert problems(written) == []


@pytest.mark.skipif(not CORPUS.exists(), reason="the shared corpus is not here")
def test_the_xml_of_every_signed_corpus_file_is_valid() -> None:
    for file in sorted((CORPUS / "signed").iterdir())[::4]:
        report = check(file.read_bytes(), validator=TRUST_NOTHING).to_dict()
        written = xml(report)
        assert problems(written) == [], file.name
        root = ET.fromstring(written)  # noqa: S314 -- our own bytes
        ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        named = {element.attrib.get("VOReference") for element in root.iter()} - {None}
        assert len(ids) == len(set(ids))
        assert named <= set(ids)


def revoked() -> DocumentReport:
    house = Province()
    told = {house.signer.cert.serial_number: AT}
    evidence = house.servers(AT, revoked=told)
    return verify(
        io.BytesIO(house.sign(level=Level.B_T, at=AT - timedelta(days=1))),
        name="a.pdf",
        at=AT,
        checked_at=AT,
        validator=PathValidator([house.root.der], [evidence]),
    )


def test_time_stamps_and_revocations_are_told_in_the_words_of_the_standard() -> None:
    written = xml(revoked().to_dict())
    assert problems(written) == []
    root = ET.fromstring(written)  # noqa: S314 -- our own bytes
    inner = root.find(f".//{VR}ValidationReport//{VR}MainIndication")
    assert inner is not None
    assert inner.text == "urn:etsi:019102:mainindication:passed"
    whole = root.find(f"{VR}SignatureValidationReport//{VR}MainIndication")
    assert whole is not None
    assert whole.text == "urn:etsi:019102:mainindication:total-passed"
    reason = root.find(f".//{VR}RevocationReason")
    assert reason is not None
    assert reason.text == "urn:etsi:019102:revocationReason:superseded"


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        (b"<HashOnly>false</HashOnly>", b""),
        (b"<HashOnly>false</HashOnly>", b"<HashOnly>no</HashOnly>"),
        (b"<ValidationTime>", b"<ValidationTime>yesterday"),
        (b"<SignatureValidationStatus>", b"<Invented/><SignatureValidationStatus>"),
        (b'id="C-0"', b'id="0 C"'),
        (b'Algorithm="http', b'Rule="http'),
    ],
)
def test_the_schema_finds_what_is_wrong(found: bytes, instead: bytes) -> None:
    written = xml(good().to_dict())
    assert found in written
    assert problems(written.replace(found, instead, 1))


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", REPORTS)
def test_papers_say_the_verdict_the_reasons_and_the_nine_criteria(
    kind: str, language: Language
) -> None:
    report = REPORTS[kind]().to_dict()
    sheet = report_sheet(report, language)
    page = html_text.unescape(html(sheet).decode())
    paper = " ".join(text_of(pdf(sheet, made_at=NOW)).split())
    decision = report["decision"]
    assert isinstance(decision, dict)
    for reason in decision["reasons"]:  # type: ignore[union-attr]
        assert reason["code"] in page  # type: ignore[index]
        assert reason[language.value] in page  # type: ignore[index]
        assert reason["code"] in paper  # type: ignore[index]
        assert reason[language.value] in paper  # type: ignore[index]
    for code in CRITERIA if report["signatures"] else ():
        assert code in page
        assert code in paper
    assert f'lang="{language}"' in page


def test_vietnamese_letters_are_in_the_paper_as_text_and_the_file_is_sound(tmp_path: Path) -> None:
    paper = pdf(report_sheet(good().to_dict(), Language.VI), made_at=NOW)
    (tmp_path / "report.pdf").write_bytes(paper)
    done = subprocess.run(
        ["qpdf", "--check", tmp_path / "report.pdf"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = text_of(paper)
    assert "Báo cáo kiểm tra chữ ký số" in text
    assert "Nguyễn Văn Trăm" in text
    assert "CHẤP NHẬN văn bản" in text


def test_every_letter_of_the_paper_is_drawn() -> None:
    paper = pdf(report_sheet(good().to_dict(), Language.VI), made_at=NOW)
    with pypdfium2.PdfDocument(paper) as document:
        image = document[0].render(scale=1).to_pil().convert("L")
    dark = sum(image.histogram()[:128])
    assert dark > 3000


def test_a_document_to_be_returned_has_a_notice_and_an_accepted_one_has_none() -> None:
    assert return_notice(good().to_dict(), Language.VI) is None
    notice = return_notice(broken().to_dict(), Language.VI)
    assert notice is not None
    text = " ".join(text_of(pdf(notice, made_at=NOW)).split())
    assert "PHIẾU TRẢ LẠI VĂN BẢN" in text
    assert "SIGNATURE_FAILED Có ít nhất một chữ ký số không hợp lệ." in text
    assert "(Ký, ghi rõ họ tên)" in text


def test_names_that_try_to_be_markup_or_to_turn_the_line_are_only_text() -> None:
    report = json.loads(json.dumps(good().to_dict()))
    report["file"] = "<script>alert(1)</script>\u202efdp.exe\x00"
    report["signatures"][0]["signer"]["common_name"] = "漢字 \U0001f600 & <b>"
    sheet = report_sheet(report, Language.EN)
    page = html(sheet).decode()
    assert "<script" not in page
    assert "\u202e" not in page
    assert "&lt;b&gt;" in page
    assert "[U+6F22]" in text_of(pdf(sheet, made_at=NOW))
    ET.fromstring(xml(report))  # noqa: S314 -- our own bytes


def test_a_very_long_word_and_very_many_rows_end_in_a_paper() -> None:
    report = json.loads(json.dumps(broken().to_dict()))
    report["file"] = "x" * 5000
    report["signatures"] = report["signatures"] * 60
    paper = pdf(report_sheet(report, Language.VI), made_at=NOW)
    with pypdfium2.PdfDocument(io.BytesIO(paper)) as document:
        assert len(document) > 50


def test_a_signature_added_later_is_listed_with_the_rule_that_permits_it() -> None:
    report = check(sign(signed())).to_dict()
    page = html(report_sheet(report, Language.VI)).decode()
    assert "được phép" in page
    assert "Bổ sung chữ ký số" in page


def test_shown_text_is_composed_and_without_hidden_characters() -> None:
    assert shown("a\u0301\u200b\u202e") == "á"


def test_what_the_registry_says_is_said_in_the_readers_language() -> None:
    at = "2026-11-22T09:48:45+00:00"
    history: list[JSON] = [
        {"at": at, "status": "active", "reason": None},
        {"at": at, "status": "revoked", "reason": "key_compromise"},
        {"at": at, "status": "a status of tomorrow", "reason": None},
    ]
    report = good().with_registry({0: {"subscriber": "Đặng Thị Hường", "history": history}})
    vietnamese, english = (
        html(report_sheet(report.to_dict(), language)).decode()
        for language in (Language.VI, Language.EN)
    )
    for word in ("còn hiệu lực", "thu hồi (lộ khóa bí mật)", "a status of tomorrow"):
        assert f"+07:00: {word}" in vietnamese
    for word in ("active", "revoked (key compromise)", "a status of tomorrow"):
        assert f"+07:00: {word}" in english
