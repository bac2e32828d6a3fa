"""Visible signatures, judged by the picture and by the text that others read out of it."""

import io
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw

from pdf.appearance import Stamp, local_time
from pdf.errors import GlyphMissing, PlacementInvalid, StampUnreadable
from pdf.objects import Ref
from pdf.page_geometry import Page
from pdf.placement import BoxSpace, to_seen, to_user_space
from pdf.presets import PRESETS
from pdf.typeface import Style, embedded_font, typeface
from tests.pdf.signing_kit import NOW, blank_pdf, pdfsig, qpdf_check, sign

_LOWER = [
    unicodedata.normalize("NFC", letter + tone)
    for letter in "aăâeêioôơuưy"
    for tone in ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
]
_ACCENTED = "".join(letter for letter in _LOWER if not letter.isascii()) + "đ"
LETTERS = _ACCENTED + _ACCENTED.upper()
AGENCY = "Ủy ban nhân dân tỉnh Bình Phước"


def seal(size: int = 240, colour: tuple[int, int, int, int] = (208, 0, 0, 200)) -> bytes:
    """Draw a red ring on nothing."""
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((8, 8, size - 8, size - 8), outline=colour, width=10)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def text_of(data: bytes, folder: Path, *options: str) -> str:
    (folder / "read.pdf").write_bytes(data)
    told = subprocess.run(
        ["pdftotext", "-layout", *options, "read.pdf", "-"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout


def picture_of(data: bytes, folder: Path, *, dpi: int = 72) -> Image.Image:
    (folder / "drawn.pdf").write_bytes(data)
    subprocess.run(
        ["pdftoppm", "-cropbox", "-singlefile", "-png", "-r", str(dpi), "drawn.pdf", "drawn"],
        cwd=folder,
        check=True,
    )
    return Image.open(folder / "drawn.png").convert("RGB")


def inked(picture: Image.Image) -> tuple[int, int, int, int]:
    """Give the rectangle around everything that is not white (left, top, right, bottom)."""
    box = ImageChops.invert(picture).getbbox()
    assert box is not None
    return box


def test_there_are_134_accented_vietnamese_letters() -> None:
    assert len(set(LETTERS)) == 134


def test_every_vietnamese_letter_is_read_back_from_the_stamp(tmp_path: Path) -> None:
    lines = (AGENCY, *(LETTERS[at : at + 34] for at in range(0, 134, 34)))
    signed = sign(blank_pdf(), stamp=Stamp(lines=lines), box=(50, 600, 400, 720))
    text = text_of(signed, tmp_path)
    for line in lines:
        assert line in text


def test_decomposed_letters_are_composed_before_they_are_drawn(tmp_path: Path) -> None:
    signed = sign(blank_pdf(), stamp=Stamp(lines=(unicodedata.normalize("NFD", AGENCY),)))
    assert AGENCY in text_of(signed, tmp_path)


@pytest.mark.parametrize("style", Style)
def test_letters_stand_as_wide_as_in_times(style: Style) -> None:
    face = typeface(style)
    assert face.thousandths(face.glyph_of["n"]) in {500, 556}
    assert face.thousandths(face.glyph_of[" "]) == 250
    assert not set(LETTERS) - set(face.glyph_of)


def test_the_line_in_the_picture_is_as_long_as_it_was_measured(tmp_path: Path) -> None:
    """Catches widths in the wrong unit: the text would still be read back rightly."""
    signed = sign(
        blank_pdf(), stamp=Stamp(lines=(AGENCY,), font_size=12.0), box=(50, 500, 400, 540)
    )
    left, top, right, bottom = inked(picture_of(signed, tmp_path, dpi=144))
    measured = typeface(Style.REGULAR).width(AGENCY, 12.0)
    assert abs((right - left) / 2 - measured) < 3
    assert 50 <= left / 2 <= 56
    # letters and their accents stay between the edges of the box, 842 points from below
    assert 842 - 540 <= top / 2 < bottom / 2 <= 842 - 500


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("crop", ["", "/CropBox[0 100 400 500]"])
def test_a_stamp_looks_the_same_on_turned_and_cut_pages(
    rotation: int, crop: str, tmp_path: Path
) -> None:
    plain = sign(
        blank_pdf(media="[0 0 400 400]"), stamp=Stamp(image=seal()), box=(30, 40, 270, 110)
    )
    media = "[-50 -20 545 822]" if crop else "[0 0 595 842]"
    turned = sign(
        blank_pdf(media=media, extra=f"/Rotate {rotation}{crop}"),
        stamp=Stamp(image=seal()),
        box=(30, 40, 270, 110),
    )
    one, other = picture_of(plain, tmp_path), picture_of(turned, tmp_path)
    below = other.height - 400
    cut = other.crop((0, below, 400, other.height))
    difference = ImageChops.difference(one, cut).convert("L")
    changed = sum(difference.histogram()[64:])
    assert changed < 60, f"{changed} points differ"


def test_a_box_in_user_space_is_taken_as_it_is(tmp_path: Path) -> None:
    signed = sign(
        blank_pdf(extra="/Rotate 90"),
        stamp=Stamp(),
        box=(100, 200, 180, 420),
        box_space=BoxSpace.USER,
    )
    assert b"/Rect [100 200 180 420]" in signed.replace(b"[ ", b"[").replace(b" ]", b"]")
    left, top, right, bottom = inked(picture_of(signed, tmp_path))
    assert right - left > bottom - top


@given(
    st.tuples(*[st.floats(min_value=0, max_value=300)] * 4),
    st.sampled_from([0, 90, 180, 270]),
)
def test_boxes_come_back_from_user_space(
    box: tuple[float, float, float, float], rotation: int
) -> None:
    page = Page(1, Ref(1), (-10.0, 20.0, 400.0, 500.0), rotation)
    back = to_seen(page, to_user_space(page, box))
    assert back == pytest.approx(box, abs=1e-6)


def test_an_image_keeps_what_is_behind_it_visible(tmp_path: Path) -> None:
    picture = picture_of(
        sign(
            blank_pdf(), stamp=Stamp(preset="nd30.agency", image=seal()), box=(100, 100, 200, 200)
        ),
        tmp_path,
    )
    assert picture.getpixel((150, 842 - 150)) == (255, 255, 255)
    ring = picture.getpixel((150, 842 - 196))
    assert ring[0] > 180
    assert ring[1] < 120


def test_a_seal_has_its_real_size(tmp_path: Path) -> None:
    signed = sign(
        blank_pdf(), stamp=Stamp(preset="nd30.agency", image=seal(480), image_height_mm=36)
    )
    left, top, right, bottom = inked(picture_of(signed, tmp_path, dpi=254))
    # ten points to the millimetre; the ring leaves 8 of 480 pixels free on each side
    expected = 360 * (480 - 16) / 480
    assert abs(right - left - expected) < 4
    assert abs(bottom - top - expected) < 4


def test_a_seal_covers_the_left_third_of_the_personal_signature(tmp_path: Path) -> None:
    personal = sign(
        blank_pdf(), stamp=Stamp(preset="nd30.personal", lines=("Trăm",)), box=(300, 150, 450, 210)
    )
    sealed = sign(personal, stamp=Stamp(preset="nd30.agency", image=seal(), image_height_mm=30))
    (tmp_path / "sealed.pdf").write_bytes(sealed)
    assert pdfsig(tmp_path / "sealed.pdf").valid == 2
    red, _, blue = picture_of(sealed, tmp_path, dpi=254).split()
    reds = ImageChops.subtract(red, blue).point(lambda value: 255 * (value > 60))
    box = reds.getbbox()
    assert box is not None
    edge = (300 + 150 / 3) / 72 * 254
    ring_inset = 8 / 240 * 300
    assert abs(box[2] - (edge - ring_inset)) < 4


def test_an_attachment_shows_number_and_time_top_right_without_an_image(tmp_path: Path) -> None:
    signed = sign(
        blank_pdf(3), stamp=Stamp(preset="nd30.attachment", number="12/QĐ-UBND"), signing_time=NOW
    )
    first = text_of(signed, tmp_path, "-l", "1")
    assert "12/QĐ-UBND" in first
    assert local_time(NOW) in first
    left, top, right, _ = inked(picture_of(signed, tmp_path))
    assert left > 300
    assert top < 80
    assert right < 595 - 30
    with pytest.raises(StampUnreadable, match="text only"):
        sign(blank_pdf(), stamp=Stamp(preset="nd30.attachment", number="1", image=seal()))


def test_stamps_without_a_box_do_not_cover_each_other(tmp_path: Path) -> None:
    data = blank_pdf()
    seen = 0
    for number in range(6):
        data = sign(data, stamp=Stamp(lines=(f"Chữ ký thứ {number}",)))
        dark = picture_of(data, tmp_path).convert("L").histogram()
        ink = sum(dark[:128])
        assert ink > seen * 1.02
        seen = ink
    for number in range(6):
        assert f"Chữ ký thứ {number}" in text_of(data, tmp_path)


def test_a_line_too_long_for_its_box_is_broken_between_words(tmp_path: Path) -> None:
    line = "Một dòng rất dài phải được ngắt ra để nằm gọn trong khung hẹp này"
    signed = sign(blank_pdf(), stamp=Stamp(lines=(line,)), box=(60, 180, 180, 250))
    left, top, right, bottom = inked(picture_of(signed, tmp_path))
    assert 60 <= left < right <= 180
    assert 842 - 250 <= top < bottom <= 842 - 180
    assert " ".join(text_of(signed, tmp_path).split()) == line


def test_text_that_cannot_be_read_in_its_box_is_refused() -> None:
    with pytest.raises(PlacementInvalid, match="fit"):
        sign(blank_pdf(), stamp=Stamp(lines=(AGENCY * 4,)), box=(60, 180, 100, 200))


def test_letters_the_font_lacks_are_named() -> None:
    with pytest.raises(GlyphMissing) as missing:
        sign(blank_pdf(), stamp=Stamp(lines=("Ký 😀 bởi 漢",)))
    assert missing.value.characters == "😀漢"
    assert "U+1F600" in str(missing.value)


@pytest.mark.parametrize(
    "stamp",
    [
        Stamp(preset="unknown"),
        Stamp(image=b"not an image"),
        Stamp(image=b""),
        Stamp(image=seal()[:100]),
        Stamp(preset="nd30.agency"),
        Stamp(lines=()),
        Stamp(lines=("   ",)),
        Stamp(lines=("x",) * 41),
        Stamp(image=seal() + bytes(6 * 1024 * 1024)),
    ],
    ids=lambda stamp: stamp.preset,
)
def test_a_stamp_that_cannot_be_drawn_is_refused(stamp: Stamp) -> None:
    with pytest.raises(StampUnreadable):
        sign(blank_pdf(), stamp=stamp)


def test_the_default_stamp_names_signer_organisation_and_local_time(tmp_path: Path) -> None:
    text = text_of(sign(blank_pdf(), stamp=Stamp(), signing_time=NOW), tmp_path)
    assert "Ký bởi: Nguyễn Văn Trăm" in text
    assert f"Cơ quan: {AGENCY}" in text
    assert f"Thời gian ký: {local_time(NOW)}" in text
    assert local_time(NOW).endswith(" +07:00")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_says_since_when_and_from_where(name: str, tmp_path: Path) -> None:
    preset = PRESETS[name]
    assert preset.in_force_from.year >= 2020
    assert preset.source
    assert preset.title_vi != preset.title_en
    image = seal() if preset.image_required else None
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(blank_pdf(), stamp=Stamp(preset=name, image=image, number="1/QĐ")))
    assert pdfsig(signed).valid == 1
    assert qpdf_check(signed) == 0


def test_a_font_is_prepared_once_for_the_same_letters() -> None:
    assert embedded_font("Ký bởi: 1") is embedded_font("bởi Ký: 22")
    assert len(embedded_font(LETTERS).program) < 40_000


def test_others_find_the_font_embedded_and_with_its_letters(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(sign(blank_pdf(), stamp=Stamp()))
    told = subprocess.run(
        ["pdffonts", "a.pdf"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "+Tinos" in told.stdout
    assert "yes yes yes" in told.stdout


def test_the_sample_decision_is_what_its_script_writes(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "docs" / "samples"
    copy = tmp_path / "copy.pdf"
    subprocess.run(
        [sys.executable, str(folder / "make_sample.py"), str(copy)],
        check=True,
        cwd=folder.parents[1],
    )
    sample = (folder / "quyet-dinh.pdf").read_bytes()
    assert text_of(copy.read_bytes(), tmp_path) == text_of(sample, tmp_path)
    assert qpdf_check(copy) == 0
    assert AGENCY.upper().split(" TỈNH")[0] in text_of(sample, tmp_path)
