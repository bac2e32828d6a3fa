"""Files that show one document to readers that believe cross-references, another to scanning ones.

All of it was there when the document was signed, so the signature holds; but it is not for anybody
to accept unseen.
"""

import pytest

from pdf.report import DocumentReport, Indication
from tests.attacks.test_attacks_on_signed_pdfs import CONTENT, EVIL, PAGE, annotation
from tests.pdf.signing_kit import sign
from tests.pdf.verifying_kit import append, check, free_number, letter, source, stream

OBJECTS = 5


def split() -> tuple[bytes, dict[int, int]]:
    """Give the body of a letter without its table, and where its objects are."""
    data = letter()
    body = data[: data.rindex(b"xref\n0")]
    return body, {number: body.index(b"%d 0 obj" % number) for number in range(1, OBJECTS + 1)}


def finished(body: bytes, places: dict[int, int], *, rows: str = "", trailer: str = "") -> bytes:
    start, size = len(body), max(places) + 1
    table = "".join(f"{places[number]:010d} 00000 n \n" for number in range(1, size))
    return (
        body
        + (
            f"xref\n0 {size}\n0000000000 65535 f \n{table}{rows}"
            f"trailer\n<</Size {size}/Root 1 0 R{trailer}>>\nstartxref\n{start}\n%%EOF\n"
        ).encode()
    )


def definition(content: bytes, head: str = "3 0 obj") -> bytes:
    return head.encode() + b"\n" + stream(content) + b"\nendobj\n"


def ambiguous(data: bytes) -> DocumentReport:
    report = check(data)
    (signature,) = report.signatures
    assert signature.indication is Indication.TOTAL_PASSED
    assert "SIGNED_CONTENT_AMBIGUOUS" in {message.code for message in signature.messages}
    assert report.reasons == ("CONTENT_AMBIGUOUS",)
    assert not report.accept
    return report


@pytest.mark.parametrize("head", ["3 0 obj", "3\n0\tobj", "3 0obj", "3 0 %\nobj", "3 1 obj"])
def test_shadow_attack_defines_the_page_content_again_where_no_table_looks(head: str) -> None:
    body, places = split()
    data = sign(finished(body + definition(EVIL, head), places))
    if "%" in head:
        assert check(data).accept  # to no reader is this a definition
    else:
        ambiguous(data)


def test_shadow_attack_hides_the_other_content_in_a_hybrid_part() -> None:
    body, places = split()
    other = len(body)
    body += definition(EVIL)
    place = len(body)
    rows = b"".join(b"\x01" + offset.to_bytes(4) + b"\x00" for offset in (other, place))
    entries = "/Type/XRef/W[1 4 1]/Index[3 1 6 1]/Size 7/Root 1 0 R"
    body += b"6 0 obj\n" + stream(rows, entries) + b"\nendobj\n"
    data = finished(body, {**places, 6: place}, trailer=f"/XRefStm {place}")
    ambiguous(sign(data))


def test_shadow_attack_lists_the_page_content_at_two_places() -> None:
    body, places = split()
    row = f"3 1\n{len(body):010d} 00000 n \n"
    ambiguous(sign(finished(body + definition(EVIL), places, rows=row)))


def test_two_readings_concern_every_signature_that_covers_them() -> None:
    body, places = split()
    data = sign(finished(body + definition(EVIL), places))
    report = check(sign(data))
    told = [
        "SIGNED_CONTENT_AMBIGUOUS" in {message.code for message in signature.messages}
        for signature in report.signatures
    ]
    assert told == [True, True]


# What every file may have -------------------------------------------------------------------------


def test_the_same_definition_twice_is_one_reading() -> None:
    body, places = split()
    original = letter()
    again = original[original.index(b"3 0 obj") : original.index(b"4 0 obj")]
    assert check(sign(finished(body + again, places))).accept


def test_an_earlier_definition_that_nobody_lists_is_one_reading() -> None:
    body, places = split()
    content = body[body.index(b"3 0 obj") : body.index(b"4 0 obj")]
    moved = {**places, CONTENT: len(body)}
    evil = body.replace(b"100 trieu", b"900 trieu")
    assert check(sign(finished(evil + content, moved))).accept


def test_a_revision_that_replaced_an_object_is_one_reading() -> None:
    data = append(letter(), {CONTENT: stream(b"BT /F1 12 Tf 72 700 Td (moi) Tj ET")})
    assert check(sign(data)).accept
    noted = annotation("Text", "/Contents(x)")(sign(data))
    assert check(noted).signatures[0].indication is Indication.TOTAL_PASSED


def test_a_pdf_within_a_stream_is_one_reading() -> None:
    base = letter()
    new = free_number(base)
    page = source(base, PAGE)[:-2] + f"/PieceInfo<</A {new} 0 R>>>>".encode()
    data = append(base, {PAGE: page, new: stream(letter(text="900 trieu"))})
    assert check(sign(data)).accept


def test_a_hybrid_part_taken_over_from_an_earlier_trailer_is_one_reading() -> None:
    body, places = split()
    place = len(body)
    rows = b"".join(b"\x01" + offset.to_bytes(4) + b"\x00" for offset in (*places.values(), place))
    entries = "/Type/XRef/W[1 4 1]/Index[1 6]/Size 7/Root 1 0 R"
    body += b"6 0 obj\n" + stream(rows, entries) + b"\nendobj\n"
    first = finished(body, {**places, 6: place}, trailer=f"/XRefStm {place}")
    changed = append(first, {CONTENT: stream(b"BT /F1 12 Tf 72 700 Td (moi) Tj ET")})
    slip = changed.replace(b"/Prev", f"/XRefStm {place}/Prev".encode())
    assert check(sign(slip)).accept
