"""The report of `antin verify` at a terminal: people first, and what to do last."""

import io

from rich.text import Text

from api.commands.verify_text import describe
from pdf.options import Level
from signing.edoc_reports import edoc_report
from tests.pdf.archive_kit import Province
from tests.pdf.signing_kit import NOW, blank_pdf, sign
from tests.pdf.verifying_kit import TRUST_ALL, check
from tests.signing.test_edxml import message, zipped


def lines(report: dict[str, object]) -> list[str]:
    return Text.from_markup(describe(report)).plain.splitlines()  # type: ignore[arg-type]


def test_signatures_are_counted_from_one_and_a_document_time_stamp_is_called_so() -> None:
    house = Province()
    said = lines(dict(house.verify(house.sign(level=Level.B_LTA)).to_dict()))
    (signer,) = [line for line in said if line.startswith("  1. ")]
    assert "time-stamp" not in signer
    start = next(index for index, line in enumerate(said) if line.startswith("  2. "))
    assert "Dấu thời gian tài liệu / Document time-stamp: " in said[start]
    assert "B-L" not in " ".join(said[start : start + 3])
    assert "proven by a time-stamp" in said[start + 2]
    assert "claimed" not in " ".join(said[start : start + 3])


def test_times_are_written_as_offices_write_them_and_the_last_line_says_what_to_do() -> None:
    said = lines(dict(check(sign(blank_pdf())).to_dict()))
    assert any("+07:00 (do người ký khai / claimed by the signer)" in line for line in said)
    assert said[0].endswith("CHẤP NHẬN văn bản / ACCEPT the document")
    assert said[-1].startswith("  ⇒ ")


def test_a_missing_attachment_is_named_and_leaves_the_message_open() -> None:
    data = message(
        [("c1", "quyết định.pdf", zipped(("a.pdf", sign(blank_pdf()))))],
        listed=[("c1", "quyết định.pdf"), ("c2", "phụ lục.pdf")],
    )
    report = edoc_report(
        io.BytesIO(data), name="v.edxml", at=NOW, checked_at=NOW, validator=TRUST_ALL
    )
    assert report["indication"] == "INDETERMINATE"
    assert report["missing"] == ["phụ lục.pdf"]
    assert "phụ lục.pdf: thiếu / missing" in lines(dict(report))
