"""One document in the shapes that different programs give it: tables, streams, both, linearised."""

import subprocess
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

SAME_EVERY_TIME = "--deterministic-id"
LAYOUTS = {
    "object-streams": ("--object-streams=generate",),
    "linearised": ("--linearize", "--object-streams=disable"),
    "linearised-streams": ("--linearize", "--object-streams=generate"),
}


@cache
def rewritten(data: bytes, *how: str) -> bytes:
    """Let qpdf write a document once more, for example as one of the LAYOUTS says."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.pdf"), Path(folder, "after.pdf")
        before.write_bytes(data)
        subprocess.run(["qpdf", *how, before, after], check=True)
        return after.read_bytes()


def packed_file(
    bodies: Sequence[str],
    *,
    index: str | None = None,
    head: str = "",
    table: str = "",
    squeeze: bool = False,
    length: str | None = None,
) -> bytes:
    """Write objects 1, 2, 3 … (1 the catalog) into one object stream, behind them the references.

    What is given otherwise than it should be makes the file wrong: `index` and `head` (/N, /First)
    of the object stream, `table` (/W, /Index, /Prev …) and `length` (of the object stream).
    """
    places, text = [], ""
    for number, body in enumerate(bodies, start=1):
        places.append(f"{number} {len(text.encode())}")
        text += body + "\n"
    index = " ".join(places) + " " if index is None else index
    head = head or f"/N {len(bodies)}/First {len(index)}"
    data = (index + text).encode()
    container, references = len(bodies) + 1, len(bodies) + 2
    packed = zlib.compress(data) if squeeze else data
    how = "/Filter/FlateDecode" if squeeze else ""
    out = bytearray(b"%PDF-1.7\n")
    rows = _row(0, 0)
    rows += b"".join(_row(2, container, place) for place in range(len(bodies)))
    rows += _row(1, len(out))
    length = str(len(packed)) if length is None else length
    out += f"{container} 0 obj\n<</Type/ObjStm{head}{how}/Length {length}>>stream\n".encode()
    out += packed + b"\nendstream\nendobj\n"
    start = len(out)
    rows += _row(1, start)
    table = table or "/W[1 4 1]"
    out += f"{references} 0 obj\n<</Type/XRef{table}/Size {references + 1}/Root 1 0 R".encode()
    out += f"/Length {len(rows)}>>stream\n".encode() + rows + b"\nendstream\nendobj\n"
    return bytes(out) + f"startxref\n{start}\n%%EOF\n".encode()


def _row(kind: int, first: int, second: int = 0) -> bytes:
    return bytes((kind,)) + first.to_bytes(4) + bytes((second,))


BODIES = (
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Resources 4 0 R>>",
    "<</ProcSet[/PDF]>>",
)


def form_file(catalog: str, page: str, *more: str) -> list[str]:
    """Give the bodies of a document of one page with something in its catalog and page."""
    return [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 400]{page}>>",
        *more,
    ]


FIELDS = (
    "<</FT/Tx/T(Ten)/V(x)/Type/Annot/Subtype/Widget/Rect[9 9 99 29]/P 3 0 R/F 4>>",
    "<</FT/Btn/Ff 49152/T<FEFF0110>/Kids[7 0 R]>>",
    "<</Type/Annot/Subtype/Widget/Parent 6 0 R/Rect[9 40 29 60]/P 3 0 R/F 4>>",
)
FORMS = {
    "fields-to-fill-in": form_file(
        "/AcroForm 4 0 R", "/Annots[5 0 R 7 0 R]", "<</Fields[5 0 R 6 0 R]/DA(/F 0 Tf)>>", *FIELDS
    ),
    "fields-in-the-catalog": form_file(
        "/AcroForm<</SigFlags 3/Fields [ 5 0 R 6 0 R ]>>",
        "/Annots[5 0 R 7 0 R]",
        "<</Nothing null>>",
        *FIELDS,
    ),
    "annotations-elsewhere": form_file("", "/Annots 4 0 R", "[ 5 0 R]", FIELDS[0]),
    "no-annotations-elsewhere": form_file("", "/Annots 4 0 R", "[]"),
    "version-in-the-catalog": form_file("/Version/2.0", ""),
}


def hybrid_file(*, pointer: str | None = None, word: bytes = b"/Outlines") -> bytes:
    """Write a file with a table for old readers, and a stream with more for those who know it."""
    out = bytearray(b"%PDF-1.5\n")
    places = []
    for number, body in enumerate(
        [b"<</Type/Catalog/Pages 2 0 R%s 4 0 R>>" % word, *(each.encode() for each in BODIES[1:3])],
        start=1,
    ):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body.replace(b"/Resources 4 0 R", b""))
    packed = b"4 0 <</Type/Outlines/Count 0>>"
    container = len(out)
    out += b"5 0 obj\n<</Type/ObjStm/N 1/First 4/Length %d>>stream\n%s\nendstream\nendobj\n" % (
        len(packed),
        packed,
    )
    hidden = len(out)
    rows = _row(2, 5) + _row(1, container)
    out += b"6 0 obj\n<</Type/XRef/W[1 4 1]/Index[4 2]/Size 6/Length 12>>stream\n"
    out += rows + b"\nendstream\nendobj\n"
    start = len(out)
    out += b"xref\n0 7\n0000000004 65535 f \n"
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"0000000005 00000 f \n0000000000 00000 f \n%010d 00000 n \n" % hidden
    at = f"{hidden}" if pointer is None else pointer
    out += f"trailer\n<</Size 7/Root 1 0 R/XRefStm {at}>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
