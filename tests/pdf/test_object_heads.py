"""A glance at the beginnings of objects never says less than reading all of them."""

from pathlib import Path

import pytest

from pdf.document import Document
from pdf.errors import PdfError
from pdf.object_heads import ObjectHeads
from pdf.references import References
from tests.pdf.signing_kit import CORPUS, sign
from tests.pdf.verifying_kit import append, check, free_number, letter, stream


def made() -> dict[str, bytes]:
    data = sign(sign(letter()))
    new = free_number(data)
    long = b"<</Length 4000>>\nstream\nshort\nendstream"
    odd = "<</A %a comment 5 0 R\n 3 %another\n 0 R/B[+4 0 R]>>"
    nested = "<</Length 5/DecodeParms<</Length 99999>>>>\nstream\nabcde\nendstream"
    return {
        "plain": data,
        "long": append(data, {new: long, new + 1: "<</X 3 0 R>>"}),
        "odd": append(data, {new: odd}),
        "nested": append(data, {new: nested}),
        "indirect": append(data, {new: "<</Length 77 0 R>>\nstream\nabc\nendstream", 77: "3"}),
        "unclosed": append(data, {new: "<</Length 3/A<</B 1>>\nstream\nabc\nendstream"}),
        "named": append(data, {new: "<</L#65ngth 9999>>\nstream\nabc\nendstream"}),
        "inner": append(data, {new: stream(b"3 0 obj\n<</Y 4 0 R>>\nendobj\n")}),
    }


def corpus() -> list[Path]:
    return sorted((CORPUS / "signed").iterdir()) if CORPUS.exists() else []


def agree(data: bytes) -> bool:
    """Compare the glance with the index in every view; say whether there was one to compare."""
    try:
        document = Document(data)
    except PdfError:
        return False
    views = [document.section_view(i) for i in range(len(document.latest.sections))]
    read = References(document, views)
    if document.latest.repaired or read._heads is None:
        return False
    heads = ObjectHeads(document, views[0].sections[::-1])
    index = read._index
    every = sorted({*document.latest.entries, *index.plain, 1, 99, 12345})
    for view in views:
        for number in every:
            holders = {
                found.number
                for offset in index.plain.get(number, ())
                if (found := document.indirect(offset)) is not None
                and view.location(found.number) == (offset, -1)
            }
            if heads.mentioned(number, view) is False:
                assert not holders, number
        ends = {*(section.tail_end for section in view.sections), view.end, len(data)}
        for end in ends:
            reaching = {
                offset
                for offset, (value_end, body) in index.ends.items()
                if offset < end and _claimed(document, view, value_end, body) > end
            }
            assert reaching <= set(heads.overhanging(view, end)), end
    return True


def _claimed(document: Document, view: object, value_end: int, body: object) -> int:
    del document
    length = view.resolve(body.entries.get("Length")) if body is not None else None  # type: ignore[attr-defined]
    return max(value_end, body.start + length if isinstance(length, int) else 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", made())
def test_made_files(name: str) -> None:
    assert agree(made()[name])


@pytest.mark.skipif(not corpus(), reason="the shared corpus is not here")
def test_every_signed_file_of_the_corpus() -> None:
    compared = [agree(file.read_bytes()) for file in corpus()]
    assert sum(compared) > 10


@pytest.mark.parametrize("place", [2**31, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_place_beyond_all_files_is_no_object(place: int) -> None:
    data = letter()
    new, start = free_number(data), len(data)
    rows = bytes((1,)) + place.to_bytes(8) + b"\x00"
    previous = Document(data).latest.sections[0].offset
    entries = f"/Type/XRef/W[1 8 1]/Index[{new} 1]/Size {new + 1}/Root 1 0 R/Prev {previous}"
    table = f"{new + 1} 0 obj\n".encode() + stream(rows, entries) + b"\nendobj\n"
    report = check(data + table + f"startxref\n{start}\n%%EOF\n".encode())
    assert report.reasons == ("NO_SIGNATURE",)
