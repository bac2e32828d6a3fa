"""The short way and the object layer write revisions that everybody judges alike."""

import io
import subprocess
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.keys import load_certs_from_pemder_data
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from pdf.appearance import Stamp
from pdf.errors import PdfError
from pdf.plain_document import plain_document
from tests.pdf.meaning import meaning
from tests.pdf.rewritten import (
    BODIES,
    FIELDS,
    FORMS,
    LAYOUTS,
    form_file,
    hybrid_file,
    packed_file,
    rewritten,
)
from tests.pdf.signing_kit import (
    CORPUS,
    assemble,
    blank_pdf,
    page_count,
    pdfsig,
    qpdf_check,
    root,
    sign,
)

_ODDITIES = {
    "one-page": blank_pdf(),
    "many-pages": blank_pdf(120),
    "turned-and-cut": blank_pdf(extra="/Rotate 270/CropBox[100 100 500 700]"),
    "old-version": blank_pdf().replace(b"%PDF-1.7", b"%PDF-1.3"),
    "no-last-line-end": blank_pdf().rstrip(),
    "spaces-behind": blank_pdf() + b"  \r\n\r\n",
    "inherited-size": assemble(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[10 10 400 500]/Rotate 90>>",
            "<</Type/Pages/Parent 2 0 R/Kids[4 0 R]/Count 1>>",
            "<</Type/Page/Parent 3 0 R>>",
        ]
    ),
    "comment-in-page": assemble(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200] % >> of the page\n>>",
        ]
    ),
    "object-stream": packed_file(BODIES),
    "squeezed-object-stream": packed_file(BODIES, squeeze=True),
    "table-and-stream": hybrid_file(),
    **{name: assemble(bodies) for name, bodies in FORMS.items()},
    **{f"packed-{name}": packed_file(FORMS[name]) for name in tuple(FORMS)[1:3]},
    "an-office's-trailer": assemble(
        FORMS["version-in-the-catalog"],
        trailer="/DocChecksum/00FF/AdditionalStreams[/application#2Fodt 3 0 R]",
    ),
    "two-identifiers": assemble(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
        ],
        trailer="/ID[<0011><0022>]",
    ),
}


_FIELD = FIELDS[0]
NOT_PLAIN = [
    form_file("/AcroForm 4 0 R", "", form, _FIELD, *more)
    for form, *more in (
        ("<</Fields[5 0 R]/NeedAppearances true>>",),
        ("<</Fields[5 0 R]/XFA[]>>",),
        ("<</Fields[5 0 R]/SigFlags 1>>",),
        ("<</Fields 6 0 R>>", "[5 0 R]"),
        ("<</Fields[5 0 R]/Fields[5 0 R]>>",),
        ("<</F#69elds[5 0 R]/DA(/Fields[5 0 R])>>",),
        ("<</Fields[5 0 R 6 0 R]>>", "<</FT/Sig/T(Cho)>>"),
        ("<</Fields[5 0 R 6 0 R]>>", "<</T(Nhom)/Kids[7 0 R]>>", "<</FT/Tx/T(a)/Parent 6 0 R>>"),
        ("<</Fields[5 0 R 6 0 R]>>", "<</FT/Tx/T(a)/Kids[7 0 R]>>", "<</FT/Sig/Parent 6 0 R>>"),
        ("<</Fields[5 0 R 6 0 R]>>", "<</FT/Tx/T(a)/Parent 5 0 R>>"),
        ("<</Fields[5 0 R 6 0 R]>>",),
    )
]
NOT_PLAIN += [
    form_file("/AcroForm<</Fields[4 0 R]>>", "", _FIELD),
    form_file("/AcroForm<</Fields[4 0 R]/SigFlags 3>>/Also[/Fields]", "", _FIELD),
    form_file("", "/A#6enots[4 0 R]/Also(/Annots[4 0 R])", _FIELD),
    form_file("", "/Annots 2 0 R"),
    form_file("", "/Annots 4 0 R", "[4 0 R] [5 0 R]"),
    form_file("/AcroForm 3 0 R", "/Fields[4 0 R]", _FIELD),
    ["<</Type/Page/Pages 1 0 R/MediaBox[0 0 9 9]>>"],
]


def _verdict(data: bytes, folder: Path) -> dict[str, object]:
    """Ask pdfsig, qpdf and pyHanko's validator."""
    file = folder / "signed.pdf"
    file.write_bytes(data)
    opinion = pdfsig(file)
    reader = PdfFileReader(io.BytesIO(data), strict=False)
    signature = reader.embedded_signatures[-1]
    trusted = list(load_certs_from_pemder_data(root()[0].public_bytes(Encoding.DER)))
    status = validate_pdf_signature(signature, ValidationContext(trust_roots=trusted))
    return {
        "pdfsig": (opinion.signatures, opinion.valid, opinion.whole),
        "qpdf": qpdf_check(file),
        "pages": page_count(file),
        "validator": (status.intact, status.valid, status.bottom_line, status.coverage.name),
        "field": signature.field_name,
    }


@pytest.mark.parametrize("visible", [False, True], ids=["invisible", "stamped"])
@pytest.mark.parametrize("name", _ODDITIES)
def test_both_ways_get_the_same_verdicts(name: str, visible: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the case
    source = _ODDITIES[name]
    stamp = Stamp(lines=("Nguyễn Văn Trăm",)) if visible else None
    assert plain_document(source, page=1) is not None
    short = sign(source, stamp=stamp)
    # a named field is not a plain wish and takes the object layer
    layered = sign(source, stamp=stamp, field="Signature1")
    assert meaning(short) == meaning(layered)
    verdict = _verdict(short, tmp_path)
    assert verdict == _verdict(layered, tmp_path)
    assert verdict["pdfsig"] == (1, 1, 1)
    assert verdict["validator"] == (True, True, True, "ENTIRE_FILE")
    assert short.startswith(source)


@pytest.mark.parametrize("name", _ODDITIES)
def test_both_ways_draw_the_same_picture(name: str, tmp_path: Path) -> None:
    pictures = []
    for way in ({}, {"field": "Signature1"}):
        (tmp_path / "a.pdf").write_bytes(sign(_ODDITIES[name], stamp=Stamp(), **way))
        subprocess.run(
            ["pdftoppm", "-cropbox", "-png", "-r", "40", "-singlefile", "a.pdf", "a"],
            cwd=tmp_path,
            check=True,
        )
        pictures.append((tmp_path / "a.png").read_bytes())
    # the claimed time is the same, so every point is
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("first", [{}, {"field": "Signature1"}], ids=["short", "layered"])
@pytest.mark.parametrize("name", _ODDITIES)
def test_the_second_signer_too_gets_the_same_verdict_both_ways(
    name: str, first: dict[str, str], tmp_path: Path
) -> None:
    once = sign(_ODDITIES[name], stamp=Stamp(lines=("Một",)), **first)
    assert plain_document(once, page=-1) is not None
    second = Stamp(lines=("Hai",))
    short, layered = sign(once, stamp=second), sign(once, stamp=second, field="Signature2")
    verdict = _verdict(short, tmp_path)
    assert verdict == _verdict(layered, tmp_path)
    assert verdict["pdfsig"] == (2, 2, 1)
    assert _unchanged_first(short) == _unchanged_first(layered)
    assert short.startswith(once)


def _unchanged_first(data: bytes) -> tuple[object, ...]:
    """Let the validator say what the second revision did to the first signature."""
    reader = PdfFileReader(io.BytesIO(data), strict=False)
    trusted = list(load_certs_from_pemder_data(root()[0].public_bytes(Encoding.DER)))
    status = validate_pdf_signature(
        reader.embedded_signatures[0], ValidationContext(trust_roots=trusted)
    )
    assert status.bottom_line
    return (status.modification_level, status.coverage, status.docmdp_ok)


@pytest.mark.parametrize("name", _ODDITIES)
def test_a_later_signature_keeps_one_made_the_short_way(name: str, tmp_path: Path) -> None:
    verdict = _verdict(sign(sign(_ODDITIES[name]), stamp=Stamp()), tmp_path)
    assert verdict["pdfsig"] == (2, 2, 1)
    assert verdict["validator"] == (True, True, True, "ENTIRE_FILE")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_as_other_programs_write_them_get_the_same_verdicts_both_ways(
    layout: str, tmp_path: Path
) -> None:
    source = rewritten(blank_pdf(5), *LAYOUTS[layout])
    document = plain_document(source, page=-1)
    assert document is not None
    assert document.stream_table == ("streams" in layout)
    stamp = Stamp(lines=("Nguyễn Văn Trăm",))
    short = sign(source, stamp=stamp, page=-1)
    layered = sign(source, stamp=stamp, page=5)
    verdict = _verdict(short, tmp_path)
    assert verdict == _verdict(layered, tmp_path)
    assert verdict["validator"] == (True, True, True, "ENTIRE_FILE")
    assert (verdict["qpdf"], verdict["pages"]) == (0, 5)
    assert meaning(short) == meaning(layered)
    assert short.startswith(source)
    assert (b"/XRef" in short[len(source) :]) == document.stream_table
    twice = _verdict(sign(short), tmp_path)
    assert twice["pdfsig"] == (2, 2, 1)
    assert twice["validator"] == (True, True, True, "ENTIRE_FILE")


@pytest.mark.parametrize("how", [("/FlateDecode", True), ("/ASCIIHexDecode", False)])
def test_a_claim_to_be_pdf_a_is_read_through_filters_both_ways(how: tuple[str, bool]) -> None:
    name, squeezed = how
    claim = b'<x xmlns:p="http://www.aiim.org/pdfa/ns/id/" p:part="2" p:conformance="B"/>'
    packet = (zlib.compress(claim) if squeezed else claim.hex().encode() + b">").decode("latin-1")
    packed = f"<</Type/Metadata/Filter{name}/Length {len(packet)}>>stream\n{packet}\nendstream"
    # a stand-in of the same length keeps the offsets while the file is put together as text
    bodies = [*form_file("/Metadata 4 0 R", ""), packed.replace(packet, "x" * len(packet))]
    source = assemble(bodies).replace(b"x" * len(packet), packet.encode("latin-1"))
    assert plain_document(source, page=1) is not None
    short, layered = sign(source), sign(source, field="Signature1")
    assert meaning(short) == meaning(layered)
    # what is added to PDF/A has an appearance, be it invisible
    assert b"/AP" in short[len(source) :]


def test_a_cross_reference_stream_is_continued_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "stream"
    folder.mkdir()
    source = _with_stream_table()
    document = plain_document(source, page=1)
    assert document is not None
    assert document.stream_table
    verdict = _verdict(sign(source), folder)
    assert verdict == _verdict(sign(source, field="Signature1"), folder)
    assert verdict["validator"] == (True, True, True, "ENTIRE_FILE")


def _with_stream_table() -> bytes:
    """Close a small document with an uncompressed cross-reference stream."""
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>",
    ]
    out = bytearray(b"%PDF-1.7\n")
    rows = bytearray(b"\x00\x00\x00\xff")
    for number, body in enumerate(bodies, start=1):
        rows += b"\x01" + len(out).to_bytes(2, "big") + b"\x00"
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    rows += b"\x01" + start.to_bytes(2, "big") + b"\x00"
    out += f"4 0 obj\n<</Type/XRef/W[1 2 1]/Size 5/Root 1 0 R/Length {len(rows)}>>".encode()
    out += b"\nstream\n" + rows + b"\nendstream\nendobj\n"
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


@pytest.mark.parametrize(
    "source",
    [
        blank_pdf(catalog="/AcroForm<</Fields[]>>"),
        blank_pdf(extra="/Annots 3 0 R"),
        blank_pdf(catalog="/Version/1.5"),
        *map(assemble, NOT_PLAIN),
        blank_pdf(catalog="/Type/Catalog"),
        blank_pdf() + blank_pdf(),
        blank_pdf().replace(b"startxref\n", b"startxref\n1"),
        blank_pdf().replace(b"/Size 5", b"/Size 4"),
        b"\n" + blank_pdf(),
        b"",
        b"%PDF-1.7 and no more",
    ],
    ids=range(10 + len(NOT_PLAIN)),
)
def test_what_is_not_plain_is_left_to_the_object_layer(source: bytes) -> None:
    assert plain_document(source, page=1) is None


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")
def test_every_file_of_the_corpus_gets_the_same_verdict_both_ways(tmp_path: Path) -> None:
    taken = 0
    for file in sorted([*CORPUS.glob("unsigned/*.pdf"), *CORPUS.glob("parser/*.pdf")]):
        source = file.read_bytes()
        if plain_document(source, page=1) is None:
            continue
        taken += 1
        verdicts = []
        for way in ({}, {"field": "Signature1"}):
            try:
                (tmp_path / "signed.pdf").write_bytes(sign(source, **way))
            except PdfError:
                # the object layer reads more of a file than a plain signature touches, and may
                # stumble over a part that the short way does not need
                assert way, file.name
                continue
            opinion = pdfsig(tmp_path / "signed.pdf")
            facts = (opinion.signatures, opinion.valid, opinion.whole)
            verdicts.append((*facts, qpdf_check(tmp_path / "signed.pdf") <= qpdf_check(file)))
        assert set(verdicts) == {(1, 1, 1, True)}, file.name
    assert taken >= 10
