"""PDF/A stays PDF/A: judged by another checker, and rule by rule."""

import zlib
from functools import cache
from pathlib import Path

import pytest

from pdf import direct_revision, layered_revision
from pdf.appearance import Stamp
from pdf.archival import Archival, claimed
from pdf.document import Document
from pdf.options import Level
from pdf.srgb import profile
from pdf.syntax import PdfDict, PdfObject, Stream
from pdf.view import View
from tests.pdf.archival_kit import archival_pdf, checker, faults, verdicts
from tests.pdf.archive_kit import Province
from tests.pdf.signing_kit import CORPUS, blank_pdf, pdfsig, qpdf_check, sign
from tests.pdf.test_stamps import picture_of, seal

PROVINCE = Province()
VALID = "is a valid PDF/A-1b file"
PACKET = b"""<x xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
    pdfaid:part="2" pdfaid:conformance="U"/>"""


NAMES = (
    *("invisible", "text", "image", "seal", "frame"),
    *("layered", "layered invisible", "certified"),
)


@cache
def variants(part: int) -> dict[str, bytes]:
    """Sign in every way that adds something else to the document."""
    plain = archival_pdf(part)
    stamped = sign(plain, stamp=Stamp())
    return {
        "invisible": sign(plain),
        "text": stamped,
        "image": sign(plain, stamp=Stamp(preset="nd30.personal", image=seal())),
        "seal": sign(stamped, stamp=Stamp(preset="nd30.agency", image=seal())),
        "frame": sign(plain, stamp=Stamp(preset="incoming", number="12")),
        "layered": sign(plain, stamp=Stamp(image=seal()), field="Own"),
        "layered invisible": sign(plain, field="Own"),
        "certified": sign(plain, stamp=Stamp(), certify=2),
    }


def test_an_independent_checker_finds_every_signed_variant_conforming(tmp_path: Path) -> None:
    assert tuple(variants(1)) == NAMES
    files = []
    for name, data in {"before": archival_pdf(1), **variants(1)}.items():
        files.append(tmp_path / f"{name}.pdf")
        files[-1].write_bytes(data)
    said = verdicts(checker(), files)
    assert [words for words in said if VALID not in words] == []


def test_the_checker_refuses_what_the_rules_were_not_kept_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_revision, "archival_of", lambda _: None)
    file = tmp_path / "careless.pdf"
    file.write_bytes(sign(archival_pdf(1), stamp=Stamp(image=seal())))
    (said,) = verdicts(checker(), [file])
    assert VALID not in said
    assert "Transparency" in said or "SMask" in said
    assert layered_revision is not None


@pytest.mark.parametrize("part", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_a_second_checker_finds_every_part_conforming(part: int, name: str) -> None:
    assert faults(archival_pdf(part), part) == []
    assert faults(variants(part)[name], part, appended=name == "seal") == []


@pytest.mark.parametrize("part", [1, 2, 3])
@pytest.mark.parametrize("level", [Level.B_T, Level.B_LT, Level.B_LTA])
def test_time_stamps_and_evidence_keep_every_part_conforming(part: int, level: Level) -> None:
    kept = PROVINCE.sign(archival_pdf(part), level=level, stamp=Stamp(image=seal()))
    assert faults(kept, part, appended=level.reaches(Level.B_LT)) == []


@pytest.mark.parametrize("part", [1, 2, 3])
def test_the_second_checker_refuses_a_font_or_colour_of_nobody(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_revision, "archival_of", lambda _: None)
    careless = sign(archival_pdf(part, intent=False), stamp=Stamp(image=seal()))
    assert faults(careless, part)


def objects(data: bytes) -> list[tuple[int, PdfObject]]:
    view = Document(data).latest
    return [(number, view.object(number)) for number in sorted(view.entries)]


def dictionaries(value: PdfObject) -> list[PdfDict]:
    if isinstance(value, Stream):
        return dictionaries(value.entries)
    if isinstance(value, PdfDict):
        return [value, *(found for each in value.values() for found in dictionaries(each))]
    if isinstance(value, list):
        return [found for each in value for found in dictionaries(each)]
    return []


def streams_of(view: View, key: str, wanted: str) -> list[Stream]:
    found = (view.object(number) for number in view.entries)
    return [s for s in found if isinstance(s, Stream) and s.entries.get(key) == wanted]


@pytest.mark.parametrize("part", [1, 2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_what_a_signature_adds_keeps_the_rules_of_its_part(part: int, name: str) -> None:
    data = variants(part)[name]
    view = Document(data).latest
    everything = [each for _, value in objects(data) for each in dictionaries(value)]
    for each in everything:
        if each.get("Subtype") == "Widget":  # 19005-1 6.5.3, 6.9; 19005-2 6.3.2, 6.3.3
            assert each["F"] == 4 | 128
            appearance = view.dictionary(each["AP"])
            assert appearance is not None
            assert set(appearance) == {"N"}
            assert not {"A", "AA", "C", "IC"} & set(each)
        if each.get("Type") == "FontDescriptor":  # 6.3.4, 6.3.5; 6.2.11.4
            assert "FontFile2" in each
            glyphs = view.resolve(each["CIDSet"])
            assert isinstance(glyphs, Stream)
        if each.get("Subtype") == "CIDFontType2":
            assert "CIDToGIDMap" in each
        assert each.get("Filter") != "LZWDecode"
        assert not {"JS", "TR", "Alternates", "OPI"} & set(each)
        assert each.get("ColorSpace") not in ("DeviceRGB", "DeviceCMYK")
    images = streams_of(view, "Subtype", "Image")
    soft = [image for image in images if "SMask" in image.entries]
    assert not (part == 1 and soft), "transparency in PDF/A-1 (6.4)"
    for form in streams_of(view, "Subtype", "Form"):
        content = view.decoded(form)
        assert b" rg" not in content
        assert b"0 g" not in content.split(b"\n")[0]
        assert "Resources" in form.entries
    assert b"/ID" in data[data.rindex(b"trailer") :]


def test_a_document_without_an_output_intent_gets_no_soft_mask() -> None:
    signed = sign(archival_pdf(2, intent=False), stamp=Stamp(image=seal()))
    assert b"/SMask" not in signed
    assert b"/ImageMask true" in signed
    assert b"/SMask" in sign(archival_pdf(2), stamp=Stamp(image=seal()))
    assert b"/CIDSet" not in sign(archival_pdf(4), stamp=Stamp(image=seal()))


def test_a_seal_without_soft_masks_is_still_seen_through(tmp_path: Path) -> None:
    signed = sign(
        archival_pdf(1), stamp=Stamp(preset="nd30.agency", image=seal()), box=(100, 100, 200, 200)
    )
    picture = picture_of(signed, tmp_path)
    assert picture.getpixel((150, 842 - 150)) == (255, 255, 255)
    ring = picture.getpixel((150, 842 - 196))
    assert ring[0] > 180
    assert ring[1] < 140


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_signed_archival_documents_are_good_files_too(part: int, tmp_path: Path) -> None:
    file = tmp_path / "signed.pdf"
    file.write_bytes(sign(archival_pdf(part), stamp=Stamp(image=seal())))
    assert pdfsig(file).valid == 1
    assert qpdf_check(file) == 0


@pytest.mark.parametrize(
    ("packet", "name"),
    [
        (PACKET, "PDF/A-2u"),
        (b"<x xmlns:a='http://www.aiim.org/pdfa/ns/id/'><a:part> 4 </a:part></x>", "PDF/A-4"),
        ('\ufeff<x xmlns:p="http://www.aiim.org/pdfa/ns/id/" p:part="3"/>'.encode("utf-16-be"),
         "PDF/A-3"),
        (b'<x xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="x"/>', None),
        (b'<x pdfaid:part="1"/>', None),
        (bytes(range(256)) * 50, None),
        (b"", None),
    ],
)  # fmt: skip
def test_a_claim_is_read_however_it_is_written(packet: bytes, name: str | None) -> None:
    found = claimed(packet, rgb_intent=True)
    assert (found.name if found else None) == name


def test_a_document_that_claims_nothing_is_left_as_it_is() -> None:
    signed = sign(blank_pdf(), stamp=Stamp(image=seal()))
    assert b"/ICCBased" not in signed
    assert b"/SMask" in signed


def test_part_one_forbids_and_part_two_permits_with_an_intent() -> None:
    assert not Archival(part=1, rgb_intent=True).soft_masks
    assert Archival(part=2, rgb_intent=True).soft_masks
    assert not Archival(part=3).soft_masks
    assert len(zlib.compress(profile(), 9)) < 3000


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")
def test_public_archival_documents_are_recognised() -> None:
    files = sorted((CORPUS / "unsigned").glob("*veraPDF*"))
    assert files
    for file in files:
        assert b"/ICCBased" in sign(file.read_bytes(), stamp=Stamp())
