"""Files as different programs write them: signed at the lowest and the highest level.

qpdf rewrites the sample decision in the ways that are common; a hybrid file is written here.
"""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from pdf.appearance import Stamp
from pdf.options import Level
from pdf.report import Indication
from tests.pdf.archive_kit import AT, Province
from tests.pdf.signing_kit import page_count, pdfsig, qpdf_check
from tests.pdf.test_stamps import text_of

SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "quyet-dinh.pdf"
MINUTE = timedelta(minutes=1)
REWRITTEN = {
    "table": ["--object-streams=disable"],
    "streams": ["--object-streams=generate"],
    "linearised": ["--linearize"],
    "linearised with streams": ["--linearize", "--object-streams=generate"],
    "PDF 1.4": ["--force-version=1.4", "--object-streams=disable"],
    "PDF 2.0": ["--force-version=2.0", "--object-streams=generate"],
    "uncompressed": ["--qdf"],
    "with an attachment": ["--add-attachment", str(SAMPLE), "--"],
}


@pytest.fixture(scope="module")
def province() -> Province:
    return Province()


def rewritten(name: str, folder: Path) -> bytes:
    target = folder / "source.pdf"
    if name == "hybrid":
        return hybrid()
    subprocess.run(["qpdf", str(SAMPLE), *REWRITTEN[name], str(target)], check=True)
    return target.read_bytes()


def hybrid() -> bytes:
    """Write a file for old and new readers: object 4 is in a stream that old ones do not know."""
    out = bytearray(b"%PDF-1.5\n%\xc3\xa2\xc3\xa3\n")
    places: dict[int, int] = {}

    def put(number: int, body: bytes) -> None:
        places[number] = len(out)
        out.extend(b"%d 0 obj\n%s\nendobj\n" % (number, body))

    put(1, b"<</Type/Catalog/Pages 2 0 R/PieceInfo 4 0 R>>")
    put(2, b"<</Type/Pages/Kids[3 0 R]/Count 1>>")
    put(3, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>")
    inside = b"4 0 <</Note<</LastModified(D:2026)/Private 1>>>>"
    put(5, b"<</Type/ObjStm/N 1/First 4/Length %d>>\nstream\n%s\nendstream" % (len(inside), inside))
    rows = b"\x02" + (5).to_bytes(2, "big") + b"\x00"
    stream = len(out)
    put(
        6,
        b"<</Type/XRef/W[1 2 1]/Size 7/Index[4 1]/Root 1 0 R/Length %d>>\nstream\n%s\nendstream"
        % (len(rows), rows),
    )
    start = len(out)
    out += b"xref\n0 7\n0000000000 65535 f \n"
    for number in range(1, 7):
        entry = places.get(number)
        out += b"0000000000 00000 f \n" if entry is None else b"%010d 00000 n \n" % entry
    out += b"trailer\n<</Size 7/Root 1 0 R/XRefStm %d>>\n" % stream
    out += b"startxref\n%d\n%%%%EOF\n" % start
    return bytes(out)


@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
@pytest.mark.parametrize("name", [*REWRITTEN, "hybrid"])
def test_a_file_is_signed_whoever_wrote_it(
    province: Province, name: str, level: Level, tmp_path: Path
) -> None:
    source = rewritten(name, tmp_path)
    (tmp_path / "before.pdf").write_bytes(source)
    signed = province.sign(source, level=level, stamp=Stamp(lines=("Đã ký",)))
    file = tmp_path / "signed.pdf"
    file.write_bytes(signed)
    assert signed.startswith(source)
    opinion = pdfsig(file)
    assert (opinion.valid, opinion.whole) == (1, 1), opinion.text
    assert qpdf_check(file) <= qpdf_check(tmp_path / "before.pdf")
    assert page_count(file) == page_count(tmp_path / "before.pdf")
    report = province.verify(signed, at=AT + MINUTE)
    first = report.signatures[0]
    assert (first.indication, first.level) == (Indication.TOTAL_PASSED, level)
    assert "Đã ký" in text_of(signed, tmp_path)
    twice = province.sign(signed, level=Level.B_B)
    both = province.verify(twice, at=AT + MINUTE).signatures
    assert {each.indication for each in both} == {Indication.TOTAL_PASSED}
