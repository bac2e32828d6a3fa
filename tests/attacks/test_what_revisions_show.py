"""Changes that only a look at the page tells: permitted by their kind, and lying over content.

Each file holds for its bytes, and a tool that judges by bytes and kinds alone calls it valid.
"""

import io
import re
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from pdf.appearance import Stamp
from pdf.change_kinds import ChangeLevel
from pdf.differences import draw
from pdf.limits import Limits
from pdf.options import CertificationLevel
from pdf.report import DocumentReport, Indication
from pdf.typeface import embedded_font
from pdf.verify import verify
from tests.attacks.test_attacks_on_signed_pdfs import (
    CATALOG,
    CONTENT,
    EVIL,
    FONT,
    FORM_XOBJECT,
    OVERLAY,
    PAGE,
    drawn,
    form,
    rebuilt,
    shadowed,
)
from tests.pdf.signing_kit import NOW, blank_pdf, pdfsig, sign
from tests.pdf.verifying_kit import (
    TRUST_ALL,
    append,
    check,
    free_number,
    letter,
    source,
    stream,
    whats,
)
from tests.pdf.written_objects import Written

OVER_TEXT = "70 690 470 720"
BESIDE = "70 590 470 620"
WIPED = "/QuadPoints[70 720 470 720 70 690 470 690]"
WHITE_LINES = b"1 1 1 RG 3 w " + b" ".join(b"0 %d m 400 %d l S" % (y, y) for y in range(0, 30, 2))
PATCH = "/Type/XObject/Subtype/Form/BBox[0 0 400 30]"


def stamp(*, ground: tuple[int, int, int, int]) -> Stamp:
    """A picture with another amount on a ground of one colour."""
    picture = Image.new("RGBA", (400, 60), ground)
    ImageDraw.Draw(picture).text((8, 8), "900", fill=(0, 0, 0, 255))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return Stamp(lines=(), image=out.getvalue(), image_height_mm=10.0)


def countersigned(data: bytes, box: tuple[float, float, float, float], **colour: object) -> bytes:
    return sign(data, stamp=stamp(**colour), box=box)  # type: ignore[arg-type]


def commented(data: bytes, kind: str, box: str, more: str = "", ap: bytes | None = None) -> bytes:
    new = free_number(data)
    look = "" if ap is None else f"/AP<</N {new + 1} 0 R>>"
    objects: dict[int, str | bytes] = {
        new: f"<</Type/Annot/Subtype/{kind}/Rect[{box}]/F 4{more}{look}>>",
        PAGE: re.sub(rb"(/Annots\s*\[[^\]]*)", rb"\g<1> %d 0 R" % new, source(data, PAGE)),
    }
    if ap is not None:
        objects[new + 1] = ap
    return append(data, objects)


def certified() -> bytes:
    return sign(letter(), certify=CertificationLevel.ANNOTATIONS)


def lined(line: str) -> bytes:
    """A letter with a thin line at the place of the stamp."""
    old = source(letter(), CONTENT)
    drawing = f"BT /F1 12 Tf 72 700 Td (cap 100 trieu) Tj ET 0.7 w {line} l S"
    return rebuilt(letter().replace(old, stream(drawing.encode())))


WHITE = (255, 255, 255, 255)
CLEAR = (255, 255, 255, 0)
SEAL = (220, 0, 0, 110)
TEXT_BOX, BLANK_BOX = (72.0, 692.0, 240.0, 726.0), (72.0, 592.0, 240.0, 626.0)

COVERING: dict[str, Callable[[], bytes]] = {
    "sneaky signature: a later signer's opaque stamp lies over the amount": (
        lambda: countersigned(sign(letter()), TEXT_BOX, ground=WHITE)
    ),
    "evil annotation: the line that strikes the amount out is covered": (
        lambda: commented(
            sign(lined("72 704 m 160 704")), "Text", "72 703 120 705", ap=patch(48, 2)
        )
    ),
    "sneaky signature: a dark stamp over light writing on a dark ground": (
        lambda: countersigned(sign(reversed_letter()), TEXT_BOX, ground=(20, 20, 60, 255))
    ),
    "evil annotation: thin white lines wipe the text out": (
        lambda: commented(certified(), "Underline", OVER_TEXT, WIPED, stream(WHITE_LINES, PATCH))
    ),
    "evil annotation: a comment's small icon lies over the amount": (
        lambda: commented(certified(), "Text", "150 696 190 714", ap=patch(40, 18))
    ),
    "evil annotation on an ordinary signature": (
        lambda: commented(sign(letter()), "Text", "150 696 190 714", ap=patch(40, 18))
    ),
    "evil annotation: a comment's icon lies over a note that was signed": (
        lambda: commented(noted(), "Text", "70 590 110 614", ap=patch(40, 24))
    ),
}


def noted() -> bytes:
    """A letter with a note in free text that was there when it was signed."""
    note = "<</Type/Annot/Subtype/FreeText/Rect[70 590 170 610]/F 4/AP<</N 7 0 R>>>>"
    drawing = stream(b"BT /F1 12 Tf 4 5 Td (tru 50 trieu) Tj ET", FORM_XOBJECT)
    return sign(letter(page="/Annots[6 0 R]", more=[note, drawing]))


def patch(wide: int, high: int) -> bytes:
    entries = f"/Type/XObject/Subtype/Form/BBox[0 0 {wide} {high}]"
    return stream(f"1 1 1 rg 0 0 {wide} {high} re f".encode(), entries)


def reversed_letter() -> bytes:
    """White writing on a dark band."""
    content = b"0.1 0.1 0.3 rg 60 680 400 50 re f 1 1 1 rg BT /F1 14 Tf 80 704 Td (cap 100) Tj ET"
    return rebuilt(letter().replace(source(letter(), CONTENT), stream(content)))


def field_shown_later() -> bytes:
    """The form has had the field all along, but no page listed it when it was signed."""
    base = letter(
        catalog="/AcroForm<</Fields[6 0 R]/DA(/F1 12 Tf 0 g)>>",
        page="/Annots[]",
        more=[
            (
                f"<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)/V(900)/Rect[{OVER_TEXT}]/F 4"
                "/P 4 0 R/AP<</N 7 0 R>>>>"
            ),
            stream(
                b"1 1 1 rg 0 0 400 30 re f 0 g BT /F1 12 Tf 2 9 Td (900) Tj ET",
                PATCH + "/Resources<</Font<</F1 5 0 R>>>>",
            ),
        ],
    )
    data = sign(base)
    page = re.sub(rb"/Annots\s*\[", b"/Annots[6 0 R ", source(data, PAGE))
    field = source(data, 6).replace(b"/V(900)", b"/M(D:20260101)/V(900)")
    return append(data, {PAGE: page, 6: field})


COVERING["sneaky field: a field of the form that no page showed is put on the page"] = (
    field_shown_later
)


@pytest.mark.parametrize("attack", COVERING)
def test_what_lies_over_signed_content_is_forbidden_and_said_with_page_and_place(
    attack: str, tmp_path: Path
) -> None:
    data = COVERING[attack]()
    signature = check(data).signatures[0]
    assert signature.integrity.digest_match
    assert signature.integrity.signature_match
    assert signature.integrity.changes_after is ChangeLevel.OTHER
    assert signature.indication is Indication.TOTAL_FAILED
    hidden = [c for c in told(check(data)) if c["what"] == "content_hidden"]
    assert hidden, whats(signature)
    assert all(c["permitted_by"] is None for c in hidden)
    assert all(re.match(r"page 1, box \d+ \d+ \d+ \d+$", str(c["where"])) for c in hidden)
    assert "trang 1, khung" in str(hidden[0]["vi"])
    assert "không được phép" in str(hidden[0]["vi"])
    (tmp_path / "attack.pdf").write_bytes(data)
    assert pdfsig(tmp_path / "attack.pdf").valid == len(check(data).signatures)


def told(report: DocumentReport) -> list[dict[str, object]]:
    """The changes after the first signature as the JSON of the report has them."""
    signature = report.to_dict()["signatures"][0]  # type: ignore[index,call-overload]
    changes: list[dict[str, object]] = signature["integrity"]["changes"]  # type: ignore[index,assignment,call-overload]
    return changes


PERMITTED: dict[str, Callable[[], bytes]] = {
    "an opaque stamp beside the text": (
        lambda: countersigned(sign(letter()), BLANK_BOX, ground=WHITE)
    ),
    "a transparent stamp through which the text is read": (
        lambda: countersigned(sign(letter()), TEXT_BOX, ground=CLEAR)
    ),
    "a seal that lets the text through": (
        lambda: countersigned(sign(letter()), TEXT_BOX, ground=SEAL)
    ),
    "an opaque stamp over the line to sign on": (
        lambda: countersigned(sign(lined("80 610 m 230 610")), BLANK_BOX, ground=WHITE)
    ),
    "a highlight that the text is read through": (
        lambda: commented(certified(), "Highlight", OVER_TEXT, WIPED + "/C[1 1 0]")
    ),
    "a comment without a drawing of its own": (
        lambda: commented(certified(), "Text", BESIDE, "/Contents(Xem lai)")
    ),
    "a filled field": lambda: filled("200", "200"),
}


def filled(value: str, shown: str) -> bytes:
    data = sign(form())
    field = source(data, 6).replace(b"/V(100)", f"/V({value})".encode())
    return append(data, {6: field, 7: drawn(shown)})


@pytest.mark.parametrize("change", PERMITTED)
def test_what_covers_nothing_stays_permitted(change: str) -> None:
    report = check(PERMITTED[change]())
    assert report.accept, told(report)
    assert all(one["permitted_by"] for one in told(report))


def test_an_annotation_that_shows_outside_its_own_rectangle_is_forbidden() -> None:
    forged = commented(certified(), "Highlight", BESIDE, WIPED + "/C[1 1 0]")
    report = check(forged)
    assert not report.accept
    assert "picture_changed" in whats(report.signatures[0])


@pytest.mark.parametrize(("value", "shown", "fine"), [("200", "200", True), ("200", "900", False)])
def test_form_overlay_in_glyph_numbers_is_read_on_the_page(
    value: str, shown: str, *, fine: bool
) -> None:
    """A composite font's numbers say nothing to a parser; the page does."""
    data = sign(form())
    written = Written(free_number(data))
    font = embedded_font("0123456789").add_to(written)
    codes = "".join(f"{glyph:04X}" for glyph in glyphs(shown))
    entries = FORM_XOBJECT.replace("/F1 5 0 R", f"/F1 {font.number} 0 R")
    drawing = stream(f"BT /F1 12 Tf 2 4 Td <{codes}> Tj ET".encode(), entries)
    field = source(data, 6).replace(b"/V(100)", f"/V({value})".encode())
    report = check(append(data, {6: field, 7: drawing, **written.bodies}))
    assert report.accept is fine, told(report)
    if not fine:
        assert "appearance_swapped" in whats(report.signatures[0])


def glyphs(text: str) -> list[int]:
    from pdf.typeface import typeface  # noqa: PLC0415 -- beside its only use

    return typeface(embedded_font(text).style).glyphs(text)


def test_form_overlay_prepared_before_signing_is_warned_of() -> None:
    """What is read by programs is not what people saw when they signed."""
    report = check(sign(form(value="(900)", shown="(100)")))
    assert "FIELD_SHOWS_OTHER_VALUE" in {one.code for one in report.signatures[0].messages}
    honest = check(sign(form()))
    assert "FIELD_SHOWS_OTHER_VALUE" not in {one.code for one in honest.signatures[0].messages}


def test_form_overlay_of_a_value_without_its_drawing_is_warned_of() -> None:
    data = sign(form())
    report = check(append(data, {6: source(data, 6).replace(b"/V(100)", b"/V(900)")}))
    assert "field_filled" in whats(report.signatures[0])
    assert "FIELD_SHOWS_OTHER_VALUE" in {one.code for one in report.signatures[0].messages}


def test_a_field_prepared_over_text_and_signed_opaquely_is_warned_of() -> None:
    """To fill in a field that was there is permitted; what it covers is said."""
    empty = "<</Type/Annot/Subtype/Widget/FT/Sig/T(Two)/Rect[72 692 240 726]/F 4/P 4 0 R>>"
    base = letter(
        catalog="/AcroForm<</Fields[6 0 R]/SigFlags 3>>", page="/Annots[6 0 R]", more=[empty]
    )
    data = sign(base, field="One")
    report = check(sign(data, field="Two", stamp=stamp(ground=WHITE)))
    assert report.indication is Indication.TOTAL_PASSED
    first = report.signatures[0]
    assert "content_covered" in whats(first)
    assert "FIELD_COVERS_CONTENT" in {one.code for one in first.messages}
    assert first.integrity.changes_permitted


def test_pages_that_cannot_be_compared_are_left_to_people() -> None:
    data = countersigned(sign(letter()), TEXT_BOX, ground=WHITE)
    report = verify(
        io.BytesIO(data),
        name="x.pdf",
        at=NOW,
        checked_at=NOW,
        validator=TRUST_ALL,
        limits=Limits(drawings=0),
    )
    assert report.indication is Indication.TOTAL_PASSED
    assert report.reasons == ("CHANGES_NOT_COMPARED",)
    assert not report.accept


def test_a_page_that_takes_too_long_costs_its_time_and_is_left_to_people() -> None:
    lines = b"".join(
        b"%d %d m 595 842 0 842 %d 0 c S\n" % (n % 595, n * 7 % 842, n * 13 % 595)
        for n in range(250_000)
    )
    page = stream(zlib.compress(lines), "/Filter/FlateDecode")
    slow = rebuilt(letter().replace(source(letter(), CONTENT), page))
    started = time.monotonic()
    report = verify(
        io.BytesIO(countersigned(sign(slow), BLANK_BOX, ground=WHITE)),
        name="x.pdf",
        at=NOW,
        checked_at=NOW,
        validator=TRUST_ALL,
        limits=Limits(picture_seconds=0.6),
    )
    assert time.monotonic() - started < 10
    assert report.reasons == ("CHANGES_NOT_COMPARED",)
    assert check(countersigned(sign(letter()), BLANK_BOX, ground=WHITE)).accept


def test_a_page_tree_that_miscounts_does_not_lead_to_another_page() -> None:
    """Two pages whose node claims one: which page is the second depends on the reader."""
    base = blank_pdf(2).replace(b"/Count 2", b"/Count 1")
    report = check(sign(sign(base), stamp=Stamp(lines=("Da ky",)), page=1, box=BLANK_BOX))
    assert not report.accept or "CHANGES_NOT_COMPARED" not in report.reasons


SHADOWS: dict[str, Callable[[], tuple[bytes, bytes]]] = {}


def shadow(
    name: str,
) -> Callable[[Callable[[], tuple[bytes, bytes]]], Callable[[], tuple[bytes, bytes]]]:
    def keep(build: Callable[[], tuple[bytes, bytes]]) -> Callable[[], tuple[bytes, bytes]]:
        SHADOWS[name] = build
        return build

    return keep


@shadow("hide: the covering object is emptied")
def hide() -> tuple[bytes, bytes]:
    data = sign(rebuilt(shadowed()))
    return data, append(data, {6: stream(b"")})


@shadow("replace: a font draws other figures")
def replace() -> tuple[bytes, bytes]:
    data = sign(letter())
    other = "<</Type/Font/Subtype/Type1/BaseFont/Courier/Encoding<</Differences[49/nine]>>>>"
    return data, append(data, {FONT: other})


@shadow("hide and replace: an object inside the signed bytes comes to light")
def hide_and_replace() -> tuple[bytes, bytes]:
    inner = b"6 0 obj\n" + stream(b"3 0 obj\n" + stream(EVIL) + b"\nendobj\n") + b"\nendobj\n"
    base = letter()
    cut = base.rindex(b"xref\n0")
    data = sign(rebuilt(base[:cut] + inner + base[cut:]))
    place = data.index(b"3 0 obj", data.index(b"6 0 obj"))
    return data, append(data, {}, places={CONTENT: place})


@shadow("a layer is switched off")
def layer() -> tuple[bytes, bytes]:
    drawing = b"/OC /L BDC BT /F1 12 Tf 72 650 Td (Tru 50 trieu) Tj ET EMC"
    base = letter(
        catalog="/OCProperties<</OCGs[6 0 R]/D<</ON[6 0 R]>>>>",
        more=["<</Type/OCG/Name(L)>>", stream(drawing)],
    )
    base = base.replace(b"/Contents 3 0 R", b"/Contents[3 0 R 7 0 R]")
    base = base.replace(b"/F1 5 0 R>>", b"/F1 5 0 R>>/Properties<</L 6 0 R>>")
    data = sign(rebuilt(base))
    return data, append(data, {CATALOG: re.sub(rb"/ON\s*\[", b"/OFF[", source(data, CATALOG))})


@shadow("an appearance is swapped")
def swapped() -> tuple[bytes, bytes]:
    data = sign(form())
    return data, append(data, {7: drawn("900")})


@shadow("a reference prepared before signing is filled in")
def activated() -> tuple[bytes, bytes]:
    data = sign(rebuilt(letter().replace(b"/Contents 3 0 R", b"/Contents[3 0 R 99 0 R]")))
    return data, append(data, {99: stream(OVERLAY)})


@pytest.mark.parametrize("name", SHADOWS)
def test_a_shadow_attack_is_shown_as_a_difference_of_its_page(name: str, tmp_path: Path) -> None:
    signed, forged = SHADOWS[name]()
    (tmp_path / "attack.pdf").write_bytes(forged)
    assert pdfsig(tmp_path / "attack.pdf").valid == 1
    report = check(forged)
    assert not report.accept
    assert report.signatures[0].integrity.changes_after is ChangeLevel.OTHER
    assert report.looks[0].forbidden
    assert report.looks[0].end == len(signed)
    found = draw(io.BytesIO(forged), report.looks)
    assert [(one.signature, one.page) for one in found] == [(0, 1)]
    with Image.open(io.BytesIO(found[0].png)) as picture:
        assert picture.width > 1.3 * picture.height
        red = picture.convert("RGB").get_flattened_data().count((200, 16, 16))
    assert red > 100
    assert all(0 <= left < right <= 596 for left, _, right, _ in found[0].boxes)


def test_pages_that_were_added_or_taken_away_are_shown_beside_nothing() -> None:
    data = sign(letter())
    new = free_number(data)
    pages = source(data, 2).replace(b"[4 0 R]/Count 1", f"[4 0 R {new} 0 R]/Count 2".encode())
    forged = append(data, {2: pages, new: source(data, PAGE)})
    report = check(forged)
    assert [one.page for one in draw(io.BytesIO(forged), report.looks)] == [2]


def test_each_change_names_its_page_its_object_and_the_rule() -> None:
    data = sign(letter())
    new = free_number(data)
    pages = source(data, 2).replace(b"[4 0 R]/Count 1", f"[4 0 R {new} 0 R]/Count 2".encode())
    added = told(check(append(data, {2: pages, new: source(data, PAGE)})))
    assert [one["where"] for one in added] == ["page 2, object 2"]
    replaced = told(check(append(data, {CONTENT: stream(EVIL)})))
    assert [one["where"] for one in replaced] == ["page 1, object 3"]
    assert "not permitted: no permission covers it" in str(replaced[0]["en"])
    font = told(check(append(data, {FONT: "<</Type/Font/Subtype/Type1/BaseFont/Courier>>"})))
    assert [one["where"] for one in font] == ["page 1, object 5"]
    closed = sign(letter(), certify=CertificationLevel.NO_CHANGES)
    refused = told(check(commented(closed, "Highlight", OVER_TEXT, WIPED)))
    assert "chứng nhận không cho phép thay đổi nào" in str(refused[0]["vi"])
    assert refused[0]["permitted_by"] is None


def test_nothing_is_drawn_where_nothing_that_shows_was_changed() -> None:
    data = sign(sign(letter()))
    report = check(data)
    assert draw(io.BytesIO(data), report.looks) == ()
