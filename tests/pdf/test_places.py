"""Where stamps stand: corners, words, beside earlier signatures, and seals where they belong."""

import io
import math
import unicodedata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from pdf.appearance import Stamp
from pdf.document import Document
from pdf.earlier import Earlier, is_personal
from pdf.errors import (
    AnchorNotFound,
    PageUndrawable,
    PersonalSignatureMissing,
    PlacementInvalid,
    PlacementTaken,
    StampUnreadable,
)
from pdf.objects import Ref
from pdf.page_geometry import Box, Page
from pdf.pdfium import Pdfium
from pdf.placement import Habit, PlaceWish, settle, to_seen, to_user_space
from pdf.signature_fields import form_signatures
from pdf.spot import AnchorSpot, Corner, CornerSpot, IfTaken, Side
from pdf.text_folding import occurrences
from pdf.words import find_words
from tests.pdf.signing_kit import (
    Person,
    assemble,
    blank_pdf,
    certificate,
    pdfsig,
    person,
    root,
    sign,
)
from tests.pdf.test_stamps import picture_of, seal

SAMPLE = (Path(__file__).parents[2] / "docs" / "samples" / "quyet-dinh.pdf").read_bytes()
KEY = rsa.generate_private_key(65537, 2048)
AGENCY = Person(
    KEY, certificate("Ủy ban nhân dân tỉnh Bình Phước", KEY, issuer=root()), (root()[0],)
)
SHAPES = {
    "portrait": "",
    "landscape": "/MediaBox[0 0 842 595]",
    "turned": "/Rotate 90",
    "upside down": "/Rotate 180",
    "turned and cut": "/Rotate 270/CropBox[40 60 555 800]",
}


def seen_boxes(data: bytes) -> list[tuple[int, Box]]:
    """Give page number and box as seen of every signature, in the order of the form."""
    view = Document(data).latest
    pages = {ref: (number, node) for number, ref, node in view.pages()}
    found = []
    for signature in form_signatures(view):
        assert signature.owner is not None
        field = view.dictionary(signature.owner)
        assert field is not None
        number, node = pages[field["P"]]  # type: ignore[index]
        media = [float(str(side)) for side in view.array(node.get("MediaBox"))]
        crop = [float(str(side)) for side in view.array(node.get("CropBox"))] or media
        turn = int(str(node.get("Rotate", 0)))
        page = Page(number, Ref(1), (crop[0], crop[1], crop[2], crop[3]), turn)
        a, b, c, d = (float(str(side)) for side in view.array(field["Rect"]))
        found.append((number, to_seen(page, (a, b, c, d))))
    return found


def overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("corner", Corner)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_corner_is_the_corner_that_is_seen(shape: str, corner: Corner, tmp_path: Path) -> None:
    spot = CornerSpot(corner=corner, margin=(30.0, 20.0))
    signed = sign(blank_pdf(extra=SHAPES[shape]), stamp=Stamp(), spot=spot)
    picture = picture_of(signed, tmp_path)
    ((_, (left, bottom, right, top)),) = seen_boxes(signed)
    assert (left if "left" in corner else picture.width - right) == pytest.approx(30, abs=0.6)
    assert (picture.height - top if "top" in corner else bottom) == pytest.approx(20, abs=0.6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("preset", ["nd30.copy", "incoming", "nd30.attachment", "nd30.personal"])
def test_presets_stay_on_the_page_whatever_its_shape(
    preset: str, shape: str, tmp_path: Path
) -> None:
    image = None if preset in {"incoming", "nd30.attachment"} else seal()
    stamp = Stamp(preset=preset, image=image, number="12/QĐ-UBND")
    signed = sign(blank_pdf(extra=SHAPES[shape]), who=AGENCY, stamp=stamp)
    picture = picture_of(signed, tmp_path)
    ((_, box),) = seen_boxes(signed)
    assert 0 <= box[0] < box[2] <= picture.width + 0.5
    assert 0 <= box[1] < box[3] <= picture.height + 0.5
    at_top = preset != "nd30.personal"
    assert (box[1] > picture.height / 2) == at_top


HEADING = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"


def copied() -> bytes:
    """The sample with the stamp of a copy, its seal a full disc of 36 mm."""
    disc = io.BytesIO()
    Image.new("RGBA", (100, 100), (208, 0, 0, 255)).save(disc, "PNG")
    stamp = Stamp(preset="nd30.copy", image=disc.getvalue(), words={"form": "SAO Y"})
    return sign(SAMPLE, who=AGENCY, stamp=stamp)


def test_the_seal_of_a_copy_leaves_the_name_of_the_state_readable(tmp_path: Path) -> None:
    left, bottom, right, top = find_words(io.BytesIO(SAMPLE), HEADING).box
    before, after = (picture_of(data, tmp_path) for data in (SAMPLE, copied()))
    place = (int(left), int(before.height - top), int(right), int(before.height - bottom))
    plain, sealed = (picture.crop(place) for picture in (before, after))
    reds = ImageChops.difference(plain, sealed).getbbox()
    assert reds is not None
    assert reds[2] - reds[0] < plain.width / 4, "more than the last word lies below the seal"
    darkened = ImageChops.subtract(sealed, plain).getextrema()
    assert max(high for _, high in darkened) <= 1, "ink on the seal hides what is printed"


def test_the_words_of_a_copy_stand_above_the_heading_on_the_left_of_the_seal(
    tmp_path: Path,
) -> None:
    signed = copied()
    ((_, box),) = seen_boxes(signed)
    top = find_words(io.BytesIO(SAMPLE), HEADING).box[3]
    before, after = (picture_of(data, tmp_path) for data in (SAMPLE, signed))
    assert box[2] > before.width - 10
    seal_begins = int(box[2] - 36 * 72 / 25.4 - 4)
    added = ImageChops.difference(before, after).crop((0, 0, seal_begins, before.height))
    written = added.getbbox()
    assert written is not None
    assert written[0] > before.width / 2
    assert written[3] <= before.height - top


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "words", ["Nguyễn Thị Hoài Thương", "NGUYỄN THỊ HOÀI THƯƠNG", "nguyễn  thị\nhoài thương"]
)
def test_a_name_is_found_however_it_is_written(form: str, words: str) -> None:
    found = find_words(io.BytesIO(SAMPLE), unicodedata.normalize(form, words))
    left, bottom, right, top = found.box
    assert (found.page, found.pages) == (1, 1)
    assert 300 < left < right < 560
    assert 60 < bottom < top < 130


def test_a_stamp_stands_above_the_signers_name(tmp_path: Path) -> None:
    name = find_words(io.BytesIO(SAMPLE), "Nguyễn Thị Hoài Thương").box
    signed = sign(
        SAMPLE,
        who=person("rsa", "Nguyễn Thị Hoài Thương"),
        stamp=Stamp(preset="nd30.personal", image=seal(), lines=()),
        spot=AnchorSpot(text="{name}"),
    )
    ((_, box),) = seen_boxes(signed)
    assert box[1] == pytest.approx(name[3] + 3, abs=0.5)
    assert (box[0] + box[2]) / 2 == pytest.approx((name[0] + name[2]) / 2, abs=0.5)
    (tmp_path / "signed.pdf").write_bytes(signed)
    assert pdfsig(tmp_path / "signed.pdf").valid == 1


WRITTEN = {
    "standard": Stamp(organization="Ủy ban nhân dân tỉnh Bình Phước"),
    "personal": Stamp(preset="nd30.personal", image=seal()),
    "personal in words": Stamp(preset="nd30.personal", position="Phó Chủ tịch"),
    "attachment": Stamp(preset="nd30.attachment", number="12/QĐ-UBND"),
    "copy in words": Stamp(preset="nd30.copy"),
    "incoming": Stamp(
        preset="incoming",
        organization="Ủy ban nhân dân tỉnh Bình Phước",
        number="1234",
        words={"forward_to": "Phòng Tổng hợp", "file_code": "05/UBND-NC"},
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_on_an_ordinary_decision_no_stamp_covers_what_is_written(name: str, tmp_path: Path) -> None:
    """Seals may, and are left out: their rule puts them over the signature or the heading."""
    signed = sign(SAMPLE, stamp=WRITTEN[name])
    ((_, box),) = seen_boxes(signed)
    before = picture_of(SAMPLE, tmp_path, dpi=144)
    left, bottom, right, top = (round(2 * side) for side in box)
    below = before.crop((left, before.height - top, right, before.height - bottom))
    assert ImageChops.invert(below).getbbox() is None
    after = picture_of(signed, tmp_path, dpi=144)
    drawn = after.crop((left, before.height - top, right, before.height - bottom))
    ink = ImageChops.invert(drawn).getbbox()
    assert ink is not None
    # the stamp fills its box: no band of it stays empty
    assert ink[3] - ink[1] > 0.6 * (top - bottom)


@pytest.mark.parametrize("side", Side)
def test_every_side_of_words_is_the_one_that_is_asked_for(side: Side) -> None:
    words = find_words(io.BytesIO(SAMPLE), "QUYẾT ĐỊNH", occurrence=1).box
    signed = sign(
        SAMPLE,
        stamp=Stamp(lines=("xxxx",), font_size=8.0),
        spot=AnchorSpot(text="QUYẾT ĐỊNH", occurrence=1, side=side),
    )
    ((_, box),) = seen_boxes(signed)
    assert overlap(box, words) == (side is Side.OVER)
    assert {
        Side.ABOVE: box[1] >= words[3],
        Side.BELOW: box[3] <= words[1],
        Side.LEFT: box[2] <= words[0],
        Side.RIGHT: box[0] >= words[2],
        Side.OVER: True,
    }[side]


@pytest.mark.parametrize("words", ["Trần Văn Không", "Nguyễn Thị Hoài Th", "uyết", "Thương Nguyễn"])
def test_words_that_are_not_there_are_an_error(words: str) -> None:
    with pytest.raises(AnchorNotFound) as missing:
        sign(SAMPLE, stamp=Stamp(), spot=AnchorSpot(text=words))
    assert missing.value.anchor == words


def test_a_page_without_text_and_a_file_that_is_none_are_errors() -> None:
    with pytest.raises(AnchorNotFound):
        find_words(io.BytesIO(blank_pdf(3)), "Nguyễn")
    with pytest.raises(PageUndrawable):
        find_words(io.BytesIO(b"%PDF-1.7 rubble"), "Nguyễn")


def test_a_reader_that_takes_too_long_is_ended_and_the_next_one_works() -> None:
    reader = Pdfium(seconds=-1.999)
    asked: dict[str, object] = {"do": "find", "text": "x", "occurrence": 1, "page": None}
    with pytest.raises(PageUndrawable):
        reader.ask(io.BytesIO(SAMPLE), asked)
    reader.close()
    assert find_words(io.BytesIO(SAMPLE), "Nguyễn Thị Hoài Thương").page == 1


@given(st.text(min_size=1, max_size=30), st.text(max_size=20), st.text(max_size=20))
@settings(max_examples=200)
def test_places_of_words_lie_in_the_text(words: str, before: str, after: str) -> None:
    text = f"{before} {words} {after}"
    for first, last in occurrences(text, words):
        assert 0 <= first <= last < len(text)


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("ban hội an", "hội an", 1),
        ("Hội Anh", "hội an", 0),
        ("a\u0302\u0323", "ậ", 1),
        ("a\u0323\u0302", "ậ", 1),
        ("â\u0323", "â", 0),
        ("Văn\u00a0Trăm", "Văn Trăm", 1),
        ("Văn\u00adTrăm", "Văn Trăm", 1),
        ("x", "  ", 0),
    ],
)
def test_words_are_whole_and_accents_are_part_of_them(text: str, words: str, found: int) -> None:
    assert len(occurrences(text, words)) == found


def test_nothing_is_put_over_an_earlier_signature() -> None:
    first = sign(blank_pdf(), stamp=Stamp(), box=(100, 100, 300, 160))
    for place in (
        {"box": (150, 120, 350, 180)},
        {"spot": CornerSpot(corner=Corner.BOTTOM_LEFT, margin=(120.0, 110.0))},
    ):
        with pytest.raises(PlacementTaken):
            sign(first, stamp=Stamp(), **place)
        moved = sign(first, stamp=Stamp(), **place, if_taken=IfTaken.MOVE)
        (_, one), (_, other) = seen_boxes(moved)
        assert not overlap(one, other)


def test_an_empty_field_keeps_its_place_for_its_signer() -> None:
    data = assemble(
        [
            "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[4 0 R]>>>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Annots[4 0 R]>>",
            "<</FT/Sig/T(Later)/Type/Annot/Subtype/Widget/Rect[100 100 300 200]/P 3 0 R/F 4>>",
        ]
    )
    with pytest.raises(PlacementTaken):
        sign(data, stamp=Stamp(), box=(120, 120, 280, 180), field="Other")


def test_a_page_full_of_signatures_has_no_room() -> None:
    data = sign(blank_pdf(media="[0 0 200 100]"), stamp=Stamp(), box=(0, 0, 200, 100))
    with pytest.raises(PlacementTaken, match="room"):
        sign(data, stamp=Stamp())


@pytest.mark.parametrize(
    "box",
    [
        (-5, 0, 100, 100),
        (0, 0, 700, 100),
        (0, 0, 100, 900),
        (10, 10, 12, 100),
        (math.nan, 0, 100, 100),
        (0, 0, math.inf, 100),
    ],
)
def test_a_place_outside_the_page_is_refused_with_the_reason(box: Box) -> None:
    with pytest.raises(PlacementInvalid):
        sign(blank_pdf(), stamp=Stamp(), box=box)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_seal_lies_over_the_left_third_of_the_personal_signature(shape: str) -> None:
    blank = blank_pdf(3, extra=SHAPES[shape])
    personal = sign(
        blank,
        stamp=Stamp(preset="nd30.personal", lines=("Trăm",)),
        page=2,
        box=(250, 150, 400, 210),
    )
    other = sign(personal, who=AGENCY, stamp=Stamp(lines=("Dấu khác",)), page=2)
    sealed = sign(
        other, who=AGENCY, stamp=Stamp(preset="nd30.agency", image=seal(), image_height_mm=30)
    )
    boxes = seen_boxes(sealed)
    assert [page for page, _ in boxes] == [2, 2, 2]
    side = 30 * 72 / 25.4
    left, bottom, right, top = boxes[2][1]
    assert right == pytest.approx(250 + 50, abs=0.5)
    assert (right - left, top - bottom) == pytest.approx((side, side), abs=0.5)
    assert (bottom + top) / 2 == pytest.approx(180, abs=0.5)
    assert not overlap(boxes[2][1], boxes[1][1])


def test_a_seal_that_does_not_fit_beside_the_signature_is_refused_or_moved() -> None:
    personal = sign(
        blank_pdf(), stamp=Stamp(preset="nd30.personal", lines=("Trăm",)), box=(10, 150, 160, 210)
    )
    stamp = Stamp(preset="nd30.agency", image=seal(), image_height_mm=36)
    with pytest.raises(PlacementInvalid, match="outside"):
        sign(personal, who=AGENCY, stamp=stamp)
    moved = sign(personal, who=AGENCY, stamp=stamp, if_taken=IfTaken.MOVE)
    (_, one), (_, other) = seen_boxes(moved)
    assert not overlap(one, other)


def test_a_seal_put_by_hand_may_not_hide_the_signature() -> None:
    personal = sign(
        blank_pdf(), stamp=Stamp(preset="nd30.personal", lines=("Trăm",)), box=(200, 150, 350, 210)
    )
    stamp = Stamp(preset="nd30.agency", image=seal())
    sign(personal, who=AGENCY, stamp=stamp, box=(150, 130, 250, 230))
    with pytest.raises(PlacementTaken, match="most of"):
        sign(personal, who=AGENCY, stamp=stamp, box=(200, 130, 300, 230))


def test_an_agency_seals_only_what_a_person_has_signed() -> None:
    stamp = Stamp(preset="nd30.agency", image=seal())
    only_agency = sign(blank_pdf(), who=AGENCY, stamp=Stamp())
    for document in (blank_pdf(), only_agency):
        with pytest.raises(PersonalSignatureMissing):
            sign(document, who=AGENCY, stamp=stamp)
        sign(document, who=AGENCY, stamp=stamp, agency_copy=True)
    signed = sign(blank_pdf())
    sign(signed, who=AGENCY, stamp=stamp)
    touched = signed.replace(b"/MediaBox[0 0 595 842]", b"/MediaBox[0 0 595 841]")
    with pytest.raises(PersonalSignatureMissing):
        sign(touched, who=AGENCY, stamp=stamp)


def test_a_person_is_told_from_an_agency_by_the_certificate() -> None:
    assert not is_personal(AGENCY.chain.certificate)
    assert is_personal(certificate_of("Nguyễn Văn Trăm"))
    assert not is_personal(b"rubble")


def certificate_of(name: str) -> bytes:
    return Person(KEY, certificate(name, KEY, issuer=root()), ()).chain.certificate


_SIDES = st.floats(min_value=10, max_value=200)


@given(
    st.lists(st.tuples(st.floats(0, 400), st.floats(0, 600), _SIDES, _SIDES), max_size=6),
    st.tuples(st.floats(-100, 700), st.floats(-100, 900)),
    st.sampled_from([0, 90, 180, 270]),
)
@settings(max_examples=150, deadline=None)
def test_a_moved_stamp_is_always_inside_and_free_or_refused(
    taken: list[tuple[float, float, float, float]], at: tuple[float, float], turn: int
) -> None:
    page = Page(1, Ref(1), (0.0, 0.0, 595.0, 842.0), turn)
    stored = [
        to_user_space(page, (left, bottom, left + width, bottom + height))
        for left, bottom, width, height in taken
    ]
    wish = PlaceWish(
        size=(120.0, 50.0),
        habit=Habit(corner=Corner.TOP_LEFT, margin=(10.0, 10.0)),
        box=(at[0], at[1], at[0] + 120.0, at[1] + 50.0),
        if_taken=IfTaken.MOVE,
    )
    earlier = [Earlier(Ref(1), box, b"") for box in stored]
    try:
        placed = settle(page, wish, earlier=earlier)
    except PlacementTaken:
        return
    seen = to_seen(page, placed.rectangle)
    width, height = page.seen_size
    assert -0.5 <= seen[0] <= seen[2] <= width + 0.5
    assert -0.5 <= seen[1] <= seen[3] <= height + 0.5
    shrunk = (seen[0] + 0.01, seen[1] + 0.01, seen[2] - 0.01, seen[3] - 0.01)
    assert not any(overlap(shrunk, to_seen(page, box)) for box in stored)


@pytest.mark.parametrize(
    "stamp",
    [
        Stamp(font_size=1.0),
        Stamp(font_size=math.nan),
        Stamp(image=seal(), image_height_mm=1000.0),
        Stamp(image=seal(), image_height_mm=math.nan),
        Stamp(preset="nd30.copy", words={"form": "BẢN CHÍNH"}),
        Stamp(preset="nd30.copy", words={"what": "x"}),
        Stamp(preset="incoming", words={"forward_to": "x" * 501}),
    ],
    ids=["small", "no size", "giant", "no height", "form", "word", "long"],
)
def test_sizes_and_words_have_limits(stamp: Stamp) -> None:
    with pytest.raises(StampUnreadable):
        sign(blank_pdf(), stamp=stamp)
