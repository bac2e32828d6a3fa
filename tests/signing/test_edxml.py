"""Exchange messages: each attachment has its report, and hostile XML and zips are answered."""

import base64
import io
import zipfile
from collections.abc import Sequence

import pytest

from pdf.report_words import Language
from signing.edoc_reports import edoc_report
from signing.edxml import EdxmlUnreadable, read_edxml
from signing.report_forms import Form, render
from tests.pdf.signing_kit import NOW, blank_pdf, sign
from tests.pdf.verifying_kit import TRUST_ALL

NAMESPACE = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


def zipped(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return out.getvalue()


def message(
    attachments: Sequence[tuple[str, str, bytes]],
    *,
    listed: Sequence[tuple[str, str]] | None = None,
    head: str = "",
) -> bytes:
    listed = [(one[0], one[1]) for one in attachments] if listed is None else listed
    references = "".join(
        f"<Reference><ContentId>{id_}</ContentId><ContentType>pdf</ContentType>"
        f"<AttachmentName>{name}</AttachmentName></Reference>"
        for id_, name in listed
    )
    attached = "".join(
        f"<Attachment><ContentId>{id_}</ContentId><AttachmentName>{name}</AttachmentName>"
        f"<ContentTransferEncoded>{base64.encodebytes(data).decode()}</ContentTransferEncoded>"
        "</Attachment>"
        for id_, name, data in attachments
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<edXML xmlns="{NAMESPACE}"><edXMLEnvelope>'
        "<edXMLHeader><MessageHeader><From><OrganId>000.00.01.H10</OrganId>"
        "<OrganName>Sở Nội vụ</OrganName></From><DocumentId>D1</DocumentId>"
        "<Code><CodeNumber>12</CodeNumber><CodeNotation>QĐ-UBND</CodeNotation></Code>"
        "<Subject>Về việc thử nghiệm</Subject></MessageHeader></edXMLHeader>"
        f"<edXMLBody><edXMLManifest>{references}</edXMLManifest></edXMLBody></edXMLEnvelope>"
        f"<AttachmentEncoded>{attached}</AttachmentEncoded></edXML>"
    ).encode()


def report(data: bytes) -> dict[str, object]:
    return dict(
        edoc_report(io.BytesIO(data), name="v.edxml", at=NOW, checked_at=NOW, validator=TRUST_ALL)
    )


def codes(found: dict[str, object]) -> list[str]:
    decision = found["decision"]
    assert isinstance(decision, dict)
    return [one["code"] for one in decision["reasons"]]


SIGNED = zipped(("quyết định.pdf", sign(blank_pdf())))


def test_every_attachment_is_judged_and_the_sender_named() -> None:
    found = report(message([("c1", "qd.pdf", SIGNED), ("c2", "pl.pdf", SIGNED)]))
    assert codes(found) == ["ALL_PASSED"]
    assert found["indication"] == "TOTAL_PASSED"
    said = found["message"]
    assert isinstance(said, dict)
    assert (said["organ_id"], said["code_notation"]) == ("000.00.01.H10", "QĐ-UBND")
    attachments = found["attachments"]
    assert isinstance(attachments, list)
    assert [one["report"]["file"] for one in attachments] == ["qd.pdf", "pl.pdf"]


def test_one_unsigned_attachment_makes_the_message_unacceptable() -> None:
    unsigned = zipped(("b.pdf", blank_pdf()))
    found = report(message([("c1", "a.pdf", SIGNED), ("c2", "b.pdf", unsigned)]))
    assert codes(found) == ["ATTACHMENT_NOT_ACCEPTED"]
    assert found["indication"] == "INDETERMINATE"


def test_a_file_that_is_not_zipped_is_taken_too() -> None:
    assert codes(report(message([("c1", "a.pdf", sign(blank_pdf()))]))) == ["ALL_PASSED"]


def test_what_is_listed_and_what_is_there_must_agree() -> None:
    one = ("c1", "a.pdf", SIGNED)
    assert "ATTACHMENT_MISSING" in codes(
        report(message([one], listed=[("c1", "a.pdf"), ("c2", "b.pdf")]))
    )
    assert "ATTACHMENT_UNLISTED" in codes(
        report(message([one, ("c9", "x.pdf", SIGNED)], listed=[("c1", "a.pdf")]))
    )
    assert codes(report(message([]))) == ["NO_ATTACHMENT"]


@pytest.mark.parametrize(
    ("packed", "code"),
    [
        (b"PK\x03\x04 not a zip", "ATTACHMENT_DAMAGED"),
        (zipped(("a.pdf", b"1"), ("b.pdf", b"2")), "ATTACHMENT_NOT_ONE_FILE"),
        (SIGNED[:-30], "ATTACHMENT_DAMAGED"),
        (zipped(("zeros.pdf", bytes(600 * 1024 * 1024))), "LIMIT_EXCEEDED"),
    ],
    ids=["no zip", "two files", "cut", "bomb"],
)
def test_archives_that_are_not_one_honest_file_are_named(packed: bytes, code: str) -> None:
    assert code in codes(report(message([("c1", "a.pdf", packed)])))


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("head", [BOMB, OUTSIDE], ids=["entities", "from elsewhere"])
def test_document_types_and_entities_are_refused(head: str) -> None:
    assert codes(report(message([("c1", "a.pdf", SIGNED)], head=head))) == [
        "EDXML_FORBIDDEN_CONSTRUCT"
    ]


@pytest.mark.parametrize(
    "data",
    [b"", b"no xml", b"<a>", b"<a></a>", message([("c1", "a", SIGNED)])[:-9], b"\xff\xfe<\x00a"],
)
def test_anything_else_is_malformed_and_answered(data: bytes) -> None:
    assert codes(report(data)) == ["EDXML_MALFORMED"]


def test_depth_and_number_of_elements_are_limited() -> None:
    for data in (b"<edXML>" * 100, b"<edXML>" + b"<a/>" * 30_000 + b"</edXML>"):
        with pytest.raises(EdxmlUnreadable) as caught:
            read_edxml(io.BytesIO(data))
        assert caught.value.code == "LIMIT_EXCEEDED"


def test_the_report_is_written_as_a_page_and_a_paper() -> None:
    found = report(message([("c1", "qd.pdf", SIGNED), ("c2", "x.pdf", b"PK\x03\x04")]))
    page = render(found, Form.HTML, language=Language.VI).content.decode()  # type: ignore[arg-type]
    assert "Về việc thử nghiệm" in page
    assert "ATTACHMENT_DAMAGED" in page
    assert render(found, Form.NOTICE_PDF).content.startswith(b"%PDF")  # type: ignore[arg-type]
