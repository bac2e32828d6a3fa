"""What a clerk reads first: who signed, what it means, and what to do next."""

import html as html_text
import json
import re

import pytest

from pdf.messages import REASON_CODES
from pdf.next_steps import next_steps
from pdf.options import Level
from pdf.report import JSON
from pdf.report_html import html
from pdf.report_sheet import integrity_word, report_sheet
from pdf.report_words import Language
from pdf.return_notice import return_notice
from pdf.sub_indications import FAILED, SubIndication
from signing.edoc_words import EDOC_REASONS, EDOC_STEPS
from tests.pdf.archive_kit import Province
from tests.pdf.signing_kit import blank_pdf, sign
from tests.pdf.verifying_kit import TRUST_NOTHING, check

ONLY_AN_EXPERT = next_steps(["no such code"])
FOR_EXPERTS = {"LIMIT_EXCEEDED", "NOT_CONFIRMED", "EDXML_FORBIDDEN_CONSTRUCT"}
OFFICIAL = (
    "CN=Nguyễn Thị Hoài Thương,givenName=Thương,title=Phó Chủ tịch,"
    "OU=Văn phòng,O=Ủy ban nhân dân tỉnh,serialNumber=042,C=VN"
)


def told(report: dict[str, JSON], language: Language) -> dict[str, list[str]]:
    """Give what stands below each heading of the page."""
    page = html_text.unescape(html(report_sheet(report, language)).decode())
    sections = re.split(r"<h[23]>", page)[1:]
    return {
        heading: re.findall(r"<bdi>(.*?)</bdi>", rest)
        for heading, _, rest in (section.partition("</h") for section in sections)
    }


def labelled(report: dict[str, JSON], language: Language) -> dict[str, str]:
    page = html_text.unescape(html(report_sheet(report, language)).decode())
    rows = re.findall(r'<th scope="row">(.*?)</th><td[^>]*>(.*?)</td>', page)
    return {label: re.sub("<[^>]+>", " ", text).strip() for label, text in rows}


def official() -> dict[str, JSON]:
    report: dict[str, JSON] = json.loads(json.dumps(check(sign(blank_pdf())).to_dict()))
    (signature,) = report["signatures"]  # type: ignore[misc, union-attr]
    signature["signer"] |= {  # type: ignore[index, call-overload, operator]
        "subject": OFFICIAL,
        "common_name": "Nguyễn Thị Hoài Thương",
        "organization": "Ủy ban nhân dân tỉnh",
        "issuer": "CN=Tổ chức chứng thực,O=Cơ quan gốc,C=VN",
    }
    return report


def test_the_signer_is_named_first_then_post_agency_and_issuer_with_labels_of_both_languages() -> (
    None
):
    vietnamese = labelled(official(), Language.VI)
    labels = list(vietnamese)
    assert labels.index("Người ký") < labels.index("Chức vụ") < labels.index("Cơ quan, tổ chức")
    assert vietnamese["Chức vụ"] == "Phó Chủ tịch"
    assert vietnamese["Đơn vị"] == "Văn phòng"
    assert vietnamese["Nơi cấp chứng thư số"].split("   ") == ["Tổ chức chứng thực", "Cơ quan gốc"]
    assert "Mã số: 042" in vietnamese["Thông tin khác trong chứng thư số"]
    english = labelled(official(), Language.EN)
    assert english["Signer"] == "Nguyễn Thị Hoài Thương"
    assert english["Post"] == "Phó Chủ tịch"
    assert "Country: VN" in english["Other particulars"]


def test_no_name_of_an_attribute_as_programs_write_it_is_shown() -> None:
    for language in Language:
        page = html(report_sheet(official(), language)).decode()
        assert not re.search(r"Common Name|Given Name|givenName|CN=|O=", page)


def test_a_certificate_with_particulars_nobody_knows_is_shown_all_the_same() -> None:
    report = official()
    report["signatures"][0]["signer"]["subject"] = "1.2.3=#0c0141,CN=A"  # type: ignore[index, call-overload]
    assert "1.2.3: #0c0141" in labelled(report, Language.VI).values()


def test_a_document_time_stamp_is_none_of_the_levels_and_proves_its_own_time() -> None:
    house = Province()
    report = house.verify(house.sign(level=Level.B_LTA)).to_dict()
    kinds = [one["kind"] for one in report["signatures"]]  # type: ignore[index, union-attr, call-overload]
    assert kinds == ["signature", "document_timestamp"]
    for language, heading, how in (
        (Language.VI, "Dấu thời gian tài liệu 2", "có dấu thời gian chứng minh"),
        (Language.EN, "Document time-stamp 2", "proven by a time-stamp"),
    ):
        said = " ".join(told(report, language)[heading])
        assert how in said
        assert "B-L" not in said


@pytest.mark.parametrize("code", sorted({*REASON_CODES, *EDOC_REASONS}))
def test_every_reason_of_a_decision_says_what_to_do(code: str) -> None:
    found = next_steps([code], others=EDOC_STEPS)
    assert (found == ONLY_AN_EXPERT) is (code in FOR_EXPERTS)


def test_a_signature_that_is_not_confirmed_says_what_would_confirm_it() -> None:
    open_ = sorted(set(SubIndication) - FAILED)
    steps = {one: next_steps(["NOT_CONFIRMED"], [one]) for one in open_}
    assert "Kiểm tra lại" in steps[SubIndication.TRY_LATER][0][0]
    assert "dấu thời gian" in steps[SubIndication.OUT_OF_BOUNDS_NO_POE][0][0]
    assert steps[SubIndication.CUSTOM] == ONLY_AN_EXPERT


def test_nothing_is_to_be_done_twice() -> None:
    assert len(next_steps(["CHANGED_AFTER_SIGNING", "SIGNATURE_FAILED"])) == 1
    assert len(next_steps(["NOT_CONFIRMED"], ["TRY_LATER", "TRY_LATER"])) == 1


def test_what_is_only_not_confirmed_is_not_to_be_returned_yet() -> None:
    report = check(sign(blank_pdf()), validator=TRUST_NOTHING).to_dict()
    assert "CHƯA CHẤP NHẬN" in report_sheet(report, Language.VI).banner
    assert "TRẢ LẠI" in report_sheet(check(blank_pdf()).to_dict(), Language.VI).banner


def test_the_notice_of_return_says_what_is_wrong_and_what_is_missing() -> None:
    data = bytearray(sign(blank_pdf()))
    data[data.index(b"/MediaBox") + 11] ^= 1
    report = check(bytes(data)).to_dict() | {"missing": ["phụ lục.pdf"]}
    notice = return_notice(report, Language.VI)
    assert notice is not None
    page = html_text.unescape(html(notice).decode())
    assert "Văn bản đã bị thay đổi: giá trị băm không khớp" in page
    assert "phụ lục.pdf" in page


def test_only_content_that_was_changed_is_called_changed() -> None:
    data = bytearray(sign(blank_pdf()))
    data[data.index(b"/MediaBox") + 11] ^= 1
    (altered,) = check(bytes(data)).to_dict()["signatures"]  # type: ignore[misc, union-attr]
    assert integrity_word(altered)[0] == "changed"  # type: ignore[arg-type]
    cut = sign(blank_pdf()).replace(b"/ByteRange", b"/ByteRanje")
    (unread,) = check(cut).to_dict()["signatures"]  # type: ignore[misc, union-attr]
    assert integrity_word(unread)[0] == "integrity_unconfirmed"  # type: ignore[arg-type]


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours (WCAG 2.2)."""

    def light(colour: str) -> float:
        full = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
        parts = [int(full[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_every_colour_of_words_stands_out_on_a_light_and_on_a_dark_screen() -> None:
    page = html(report_sheet(official(), Language.VI)).decode()
    palettes = re.findall(r":root\{(.*?)\}", page, re.DOTALL)
    assert len(palettes) == 2
    for palette in palettes:
        colours = dict(re.findall(r"--(\w+):#([0-9a-f]+)", palette))
        for name in ("ink", "label", "good", "bad", "open"):
            assert contrast(colours[name], colours["paper"]) >= 7, name


def test_a_page_follows_a_dark_screen_and_stays_light_on_paper() -> None:
    page = html(report_sheet(official(), Language.VI)).decode()
    assert "@media screen and (prefers-color-scheme:dark)" in page
