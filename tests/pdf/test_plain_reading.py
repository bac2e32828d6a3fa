"""Files that other programs wrote are read by the short way, or left alone: there is no third."""

from contextlib import suppress

import pytest

from pdf.byte_range import Coverage
from pdf.errors import LimitExceeded, PdfError
from pdf.plain_document import plain_document
from tests.attacks.mutating import Source, mutant
from tests.pdf.meaning import meaning
from tests.pdf.rewritten import (
    BODIES,
    FORMS,
    LAYOUTS,
    SAME_EVERY_TIME,
    hybrid_file,
    packed_file,
    rewritten,
)
from tests.pdf.signing_kit import blank_pdf, sign
from tests.pdf.verifying_kit import check

PACKED = packed_file(BODIES)
HYBRID = hybrid_file()
MUTANTS = 1200


def named_by_generation(generation: int) -> bytes:
    """Write a document whose catalog has a generation, with a stream of references."""
    bodies = {
        f"1 {generation}": "<</Type/Catalog/Pages 2 0 R>>",
        "2 0": "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "3 0": "<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>",
    }
    out, rows = bytearray(b"%PDF-1.7\n"), bytes(8)
    for name, body in bodies.items():
        rows += b"\x01" + len(out).to_bytes(4) + int(name.split()[1]).to_bytes(3)
        out += f"{name} obj\n{body}\nendobj\n".encode()
    start = len(out)
    rows += b"\x01" + start.to_bytes(4) + bytes(3)
    out += f"4 0 obj\n<</Type/XRef/W[1 4 3]/Size 5/Root 1 {generation} R/Length 40>>".encode()
    return bytes(out) + b"stream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (rows, start)


WRONG = {
    "a generation that no reader has": named_by_generation(70_000),
    "more objects than there are": packed_file(BODIES, head="/N 5/First 20"),
    "fewer objects than there are": packed_file(BODIES, head="/N 3/First 20"),
    "a million objects": packed_file(BODIES, head="/N 1000000/First 20"),
    "a negative number": packed_file(BODIES, head="/N -4/First 20"),
    "objects that begin in the index": packed_file(BODIES, head="/N 4/First 17"),
    "objects that begin later": packed_file(BODIES, head="/N 4/First 21"),
    "objects that begin behind the end": packed_file(BODIES, head="/N 4/First 9999"),
    "a count elsewhere": packed_file(BODIES, head="/N 5 0 R/First 20"),
    "pages of another generation": packed_file([BODIES[0].replace("2 0", "2 7"), *BODIES[1:]]),
    "a field of another generation": packed_file(
        [each.replace("Fields[5 0", "Fields[5 7") for each in FORMS["fields-to-fill-in"]]
    ),
    "another type": packed_file(BODIES, head="/Type/Metadata/N 4/First 20"),
    "an index that goes down": packed_file(BODIES, index="1 0 2 66 3 30 4 132 "),
    "two objects at one place": packed_file(BODIES, index="1 0 2 30 3 30 4 132 "),
    "a number twice": packed_file(BODIES, index="1 0 1 30 3 66 4 132 "),
    "numbers in another order": packed_file(BODIES, index="2 0 1 30 3 66 4 132 "),
    "places between the objects": packed_file(BODIES, index="1 0 2 31 3 66 4 132 "),
    "signs in the index": packed_file(BODIES, index="1 0 2 +30 3 66 4 132 "),
    "a comment in the index": packed_file(BODIES, index="1 0 2 30%3 66 4 132 "),
    "long numbers": packed_file(BODIES, index=f"1 0 2 {30:05000} 3 66 4 132 "),
    "a catalog that goes on": packed_file([BODIES[0] + " 7", *BODIES[1:]]),
    "a reference as page": packed_file([*BODIES[:2], "4 0 R", BODIES[2]]),
    "a length in itself": packed_file(BODIES, length="4 0 R"),
    "a length too short": packed_file(BODIES, length="17"),
    "a length too long": packed_file(BODIES, length="190"),
    "a filter more": packed_file(BODIES, head="/N 4/First 20/Filter[/FlateDecode/FlateDecode]"),
    "another filter": packed_file(BODIES, head="/N 4/First 20/Filter/RunLengthDecode"),
    "data elsewhere": packed_file(BODIES, head="/N 4/First 20/F(C:)"),
    "two widths": packed_file(BODIES, table="/W[1 4]"),
    "four widths": packed_file(BODIES, table="/W[1 4 1 0]"),
    "other widths": packed_file(BODIES, table="/W[1 3 1]"),
    "wide widths": packed_file(BODIES, table="/W[1 4 99]"),
    "no widths": packed_file(BODIES, table="/W[0 0 0]"),
    "more rows than there are": packed_file(BODIES, table="/W[1 4 1]/Index[0 8]"),
    "fewer rows than there are": packed_file(BODIES, table="/W[1 4 1]/Index[0 6]"),
    "half an index": packed_file(BODIES, table="/W[1 4 1]/Index[0 7 9]"),
    "rows for one number": packed_file(BODIES, table="/W[1 4 1]/Index[0 6 0 1]"),
    "itself before": packed_file(BODIES, table="/W[1 4 1]/Prev 243"),
    "an earlier one elsewhere": packed_file(BODIES, table="/W[1 4 1]/Prev 1 0 R"),
    "numbers that no reader has": packed_file(BODIES).replace(b"/Size 7/", b"/Size 12147483648/"),
    "encrypted": packed_file(BODIES, table="/W[1 4 1]/Encrypt 4 0 R"),
    "a container in itself": PACKED.replace(
        b"\x02\x00\x00\x00\x05\x00", b"\x02\x00\x00\x00\x01\x00"
    ),
    "another container": PACKED.replace(b"\x02\x00\x00\x00\x05\x00", b"\x02\x00\x00\x00\x06\x00"),
    "no such container": PACKED.replace(b"\x02\x00\x00\x00\x05\x00", b"\x02\x00\x00\x00\x77\x00"),
    "another place in it": PACKED.replace(b"\x02\x00\x00\x00\x05\x00", b"\x02\x00\x00\x00\x05\x01"),
    "unknown kinds": PACKED.replace(b"\x02\x00\x00\x00\x05\x03", b"\x03\x00\x00\x00\x05\x03"),
    "squeezed data that stops": packed_file(BODIES, squeeze=True).replace(b"\nendstream", b""),
    "a pointer to a table": hybrid_file(pointer="600"),
    "a pointer to nothing": hybrid_file(pointer="99999"),
    "a pointer elsewhere": hybrid_file(pointer="4 0 R"),
    "a bomb": packed_file([*BODIES, f"[{' ' * (1 << 24)}]"], squeeze=True),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_or_doubtful_is_not_read_the_short_way(name: str) -> None:
    assert plain_document(WRONG[name], page=1) is None
    with suppress(PdfError):
        # what the object layer makes of it is whole
        assert check(sign(WRONG[name])).signatures[0].integrity.coverage is Coverage.WHOLE_FILE


def test_the_highest_generation_is_written_once_more() -> None:
    source = named_by_generation(65_535)
    assert plain_document(source, page=1) is not None
    signed = sign(sign(source))
    assert [each.indication.value for each in check(signed).signatures] == ["TOTAL_PASSED"] * 2


COUNTS = {
    "size": WRONG["numbers that no reader has"],
    "index": packed_file(BODIES, table="/W[1 4 1]/Index[0 7 9 2000000000]"),
    "hidden": HYBRID.replace(b"/Index[4 2]/Size 6", b"/Size 1999999999"),
    "misplaced": WRONG["numbers that no reader has"].replace(b"startxref\n253", b"startxref\n257"),
}


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_that_nobody_can_count_to_is_refused_before_it_is_believed(name: str) -> None:
    assert COUNTS[name] not in {PACKED, HYBRID}
    assert name == "size" or COUNTS[name] != COUNTS["size"]
    with pytest.raises(LimitExceeded):
        sign(COUNTS[name], field="Own")


def test_both_ways_make_the_same_of_a_damaged_file_or_the_short_one_leaves_it() -> None:
    # nothing signed among them: the files are the same in every run
    honest = [PACKED, packed_file(BODIES, squeeze=True), HYBRID]
    honest += [rewritten(blank_pdf(2), *how, SAME_EVERY_TIME) for how in LAYOUTS.values()]
    honest += [packed_file(bodies) for bodies in FORMS.values()]
    sources = [Source.of(str(number), data) for number, data in enumerate(honest)]
    taken = 0
    for number in range(MUTANTS):
        data = mutant(number, seed=5, sources=sources).data
        document = plain_document(data, page=1)
        if document is None:
            continue
        short = sign(data)
        try:
            layered = sign(data, field=document.form.free_name())
        except PdfError:
            continue  # the layer reads more of the file, and stumbled over that
        assert meaning(short) == meaning(layered), number
        taken += 1
    assert taken > MUTANTS // 50


@pytest.mark.parametrize("name", ["packed", "hybrid", *LAYOUTS])
def test_our_own_verifier_takes_every_signature_for_what_it_is(name: str) -> None:
    known = {"packed": PACKED, "hybrid": HYBRID}
    source = known.get(name) or rewritten(blank_pdf(), *LAYOUTS[name])
    once = sign(source)
    twice = sign(once)
    assert plain_document(twice, page=1) is not None
    for data, count in ((once, 1), (twice, 2)):
        report = check(data)
        assert [each.indication.value for each in report.signatures] == ["TOTAL_PASSED"] * count
        assert report.signatures[-1].integrity.coverage is Coverage.WHOLE_FILE
        assert all(each.integrity.changes_permitted for each in report.signatures)
