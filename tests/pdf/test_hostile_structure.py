"""Files that lie about their own structure: loops, counts beyond reason, bombs. One test a limit.

Every one gets a verdict within a few seconds of processor time, and none is accepted for it.
"""

import time
import zlib
from dataclasses import fields
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdf import der, filters
from pdf.cms_check import Covered, check_cms
from pdf.der_writer import tlv
from pdf.document import Document, load
from pdf.errors import DamagedPdf, LimitExceeded, PdfError
from pdf.limits import DEFAULT_LIMITS, Limits
from pdf.report import DocumentReport, Indication
from pdf.signature_fields import find_signatures
from pdf.stream_ends import StreamEnds
from pdf.syntax import Name, PdfDict, read_object
from pdf.verify import verify
from tests.pdf.signing_kit import NOW, sign
from tests.pdf.verifying_kit import TRUST_ALL, append, check, free_number, letter, only, stream

CPU_SECONDS = 5.0
MIB = 1024 * 1024


def judged(data: bytes, limits: Limits = DEFAULT_LIMITS) -> DocumentReport:
    start = time.process_time()
    report = verify(
        BytesIO(data), name="x", at=NOW, checked_at=NOW, validator=TRUST_ALL, limits=limits
    )
    assert time.process_time() - start < CPU_SECONDS
    assert "INTERNAL_FAILURE" not in report.reasons
    return report


def with_section(section: bytes, *, base: bytes | None = None) -> bytes:
    """A letter with a last cross-reference section of one's own."""
    data = base if base is not None else letter()
    start = len(data)
    return data + section.replace(b"HERE", str(start).encode()) + (
        f"\nstartxref\n{start}\n%%EOF\n".encode()
    )  # fmt: skip


# Loops --------------------------------------------------------------------------------------------


def test_a_section_that_follows_itself_ends() -> None:
    loop = b"xref\n0 0\ntrailer\n<</Size 6/Root 1 0 R/Prev HERE>>"
    assert judged(with_section(loop)).indication is Indication.NO_SIGNATURE


def test_two_sections_that_follow_each_other_end() -> None:
    data = letter()
    first = len(data)
    # the second section stands behind the first, at a place that is known beforehand
    body = b"xref\n0 0\ntrailer\n<</Size 6/Root 1 0 R/Prev %010d>>\n"
    second = first + len(body % 0)
    looping = data + body % second + body % first
    looping += f"startxref\n{second}\n%%EOF\n".encode()
    assert judged(looping).indication is Indication.NO_SIGNATURE


@pytest.mark.parametrize("key", ["XRefStm", "Prev"])
def test_a_section_that_names_itself_as_its_hybrid_or_predecessor_ends(key: str) -> None:
    entries = f"/Type/XRef/W[1 4 1]/Index[0 0]/Size 6/Root 1 0 R/{key} HERE".encode()
    body = b"9 0 obj\n<<" + entries + b"/Length 0>>\nstream\n\nendstream\nendobj\n"
    assert judged(with_section(body)).indication is Indication.NO_SIGNATURE


def test_hybrid_sections_that_name_each_other_end() -> None:
    data = letter()
    table = b"xref\n0 0\ntrailer\n<</Size 6/Root 1 0 R/XRefStm %010d>>\n"
    place = len(data) + len(table % 0)
    entries = f"/Type/XRef/W[1 4 1]/Index[0 0]/Size 6/Root 1 0 R/XRefStm {len(data)}"
    hidden = b"9 0 obj\n" + stream(b"", entries) + b"\nendobj\n"
    looping = data + table % place + hidden + f"startxref\n{len(data)}\n%%EOF\n".encode()
    assert judged(looping).indication is Indication.NO_SIGNATURE


def test_a_reference_to_itself_and_a_length_that_is_its_own_stream_end() -> None:
    data = letter(
        catalog="/AcroForm 6 0 R", more=["6 0 R", "<</Length 7 0 R>>\nstream\nx\nendstream"]
    )
    assert judged(data).indication is Indication.NO_SIGNATURE


def test_object_streams_that_extend_each_other_end() -> None:
    packed = zlib.compress(b"20 0 <<>>")
    more = [
        stream(packed, f"/Type/ObjStm/N 1/First 5/Filter/FlateDecode/Extends {other} 0 R")
        for other in (7, 6)
    ]
    assert judged(letter(more=more)).indication is Indication.NO_SIGNATURE


# Counts beyond reason -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "entries",
    [
        "/W[1 4 1]/Size 99999999999",
        "/W[1 4 1]/Size 6/Index[0 99999999999]",
        "/W[1 4 1]/Size 6/Index[99999999999 1]",
        "/W[99999999 4 1]/Size 6",
        "/W[0 0 0]/Size 999999999",
        "/W[-1 4 1]/Size 6",
        "/W[1 4 1]/Size -6",
        "/W[1 4 1]/Size 6/Index[0 -1]",
        "/W[1]/Size 6",
    ],
)
def test_a_cross_reference_stream_with_numbers_beyond_reason_costs_nothing(entries: str) -> None:
    body = b"9 0 obj\n" + stream(bytes(60), f"/Type/XRef/Root 1 0 R{entries}") + b"\nendobj\n"
    assert not judged(with_section(body)).accept


@pytest.mark.parametrize("head", ["0 99999999999", "99999999999 1", "0 -1", "0 1000000"])
def test_a_cross_reference_table_with_numbers_beyond_reason_costs_nothing(head: str) -> None:
    table = f"xref\n{head}\n0000000000 65535 f \ntrailer\n<</Size 6/Root 1 0 R>>".encode()
    assert not judged(with_section(table)).accept


@pytest.mark.parametrize(
    "entries",
    ["/N 99999999999/First 5", "/N 1/First 99999999999", "/N -1/First 5", "/N 1/First -5"],
)
def test_an_object_stream_with_numbers_beyond_reason_costs_nothing(entries: str) -> None:
    bad = stream(zlib.compress(b"20 0 <<>>"), f"/Type/ObjStm{entries}/Filter/FlateDecode")
    assert judged(letter(more=[bad])).indication is Indication.NO_SIGNATURE


def test_a_place_in_an_object_stream_beyond_any_file_is_no_exception() -> None:
    bad = stream(b"20 99999999999999999999999 <<>>", "/Type/ObjStm/N 1/First 27")
    report = judged(append(letter(more=[bad]), {9: bad})[:-200])
    assert report.indication is Indication.NO_SIGNATURE


# Bombs --------------------------------------------------------------------------------------------


def unpacked(raw: bytes, *names: str, limit: int = 64 * MIB) -> bytes:
    entries = PdfDict()
    entries["Filter"] = [Name(name) for name in names]
    start = time.process_time()
    try:
        return filters.decode(raw, entries, limit=limit)
    finally:
        assert time.process_time() - start < CPU_SECONDS


def test_a_stream_over_the_limit_is_given_up() -> None:
    with pytest.raises(LimitExceeded):
        unpacked(zlib.compress(bytes(65 * MIB), 9), "FlateDecode")


def test_a_bomb_inside_a_bomb_is_given_up() -> None:
    inner = zlib.compress(bytes(70 * MIB), 9)
    with pytest.raises(LimitExceeded):
        unpacked(zlib.compress(inner, 9), "FlateDecode", "FlateDecode")


def lzw(codes: list[int]) -> bytes:
    """Pack codes of nine bits, with a clear mark before the width would grow."""
    out, held, bits = bytearray(), 0, 0
    for number, code in enumerate(codes):
        for value in ([256] if number % 200 == 0 else []) + [code]:
            held, bits = held << 9 | value, bits + 9
            while bits >= 8:
                bits -= 8
                out.append(held >> bits & 0xFF)
                held &= (1 << bits) - 1
    return bytes(out)


def test_an_lzw_stream_that_keeps_its_reader_busy_is_given_up() -> None:
    assert unpacked(lzw([65] * 1000), "LZWDecode")[:900] == b"A" * 900
    with pytest.raises(LimitExceeded):
        unpacked(lzw([65] * 200_000) * 80, "LZWDecode")


def test_a_run_length_stream_that_keeps_its_reader_busy_is_given_up() -> None:
    with pytest.raises(LimitExceeded):
        unpacked(b"\x00A" * (16 * MIB), "RunLengthDecode")


def test_a_hundred_filters_before_one_stream_are_refused() -> None:
    with pytest.raises(LimitExceeded):
        unpacked(b"", *["FlateDecode"] * 100)


@pytest.mark.parametrize("name", ["JBIG2Decode", "JPXDecode", "DCTDecode", "CCITTFaxDecode", "x"])
def test_picture_filters_are_never_run(name: str) -> None:
    with pytest.raises(DamagedPdf):
        unpacked(b"\x97JB2\r\n\x1a\n", name)
    picture = stream(b"\x97JB2\r\n\x1a\n" + bytes(100), f"/Type/ObjStm/N 1/First 5/Filter/{name}")
    assert judged(letter(more=[picture])).indication is Indication.NO_SIGNATURE


def test_many_small_bombs_are_one_large_bomb() -> None:
    small = zlib.compress(b"20 0 " + bytes(3 * MIB), 9)
    bombs = [stream(small, "/Type/ObjStm/N 1/First 5/Filter/FlateDecode") for _ in range(10)]
    base = letter(more=bombs)
    # without a usable cross-reference a repairing reader opens every one of them
    damaged = base[: base.rindex(b"xref\n0")] + b"trailer\n<</Root 1 0 R>>\n"
    assert judged(damaged).reasons == ("NO_SIGNATURE",)
    assert judged(damaged, Limits(decoded_total=8 * MIB)).reasons == ("LIMIT_EXCEEDED",)
    # by size alone they may be, but not out of so small a file
    small_streams = Limits(stream_size=4 * MIB)
    assert judged(damaged, small_streams).reasons == ("LIMIT_EXCEEDED",)
    assert judged(damaged + b"%" * MIB, small_streams).reasons == ("NO_SIGNATURE",)


def test_an_index_that_names_one_large_object_a_hundred_thousand_times_is_read_once_or_twice() -> (
    None
):
    large = b"[" + b"1 " * 100_000 + b"]"
    index = b"".join(b"%d 0 " % (100 + number) for number in range(20_000))
    body = zlib.compress(index + large)
    bomb = stream(body, f"/Type/ObjStm/N 20000/First {len(index)}/Filter/FlateDecode")
    base = letter(more=[bomb])
    damaged = base[: base.rindex(b"xref\n0")] + b"trailer\n<</Root 1 0 R>>\n"
    assert judged(damaged).indication is Indication.NO_SIGNATURE


def test_streams_without_an_end_of_their_own_are_searched_for_once() -> None:
    heads = b"1 0 obj<</Length 5>>stream\n" * 40_000
    assert judged(b"%PDF-1.7\n" + heads).indication is Indication.NO_SIGNATURE
    assert judged(b"%PDF-1.7\n" + heads + b"endstream").indication is Indication.NO_SIGNATURE


def test_changed_streams_that_all_end_at_one_place_are_searched_for_once() -> None:
    signed = sign(letter())
    out, offsets = bytearray(signed), []
    for number in range(30_000):
        offsets.append(len(out))
        out += b"%d 0 obj<</Length 5>>stream\n" % (100 + number)
    out += b"endstream\nendobj\n"
    start = len(out)
    out += b"xref\n100 30000\n" + b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    previous = Document(signed).latest.sections[0].offset
    out += b"trailer\n<</Size 30100/Root 1 0 R/Prev %d>>\n" % previous
    out += b"startxref\n%d\n%%%%EOF\n" % start
    assert judged(bytes(out)).signatures[0].integrity.digest_match


@given(st.binary(max_size=60), st.lists(st.integers(0, 80), max_size=20))
def test_the_end_of_a_stream_is_where_a_plain_search_finds_it(
    noise: bytes, asked: list[int]
) -> None:
    data = (noise + b"endstream" + noise[:9] + b"endstream" + noise)[:80]
    ends = StreamEnds(data)
    for start in asked:
        plain = data.find(b"endstream", start)
        try:
            found = ends.stream_end(start, None, len(data))
        except DamagedPdf:
            assert plain < 0
        else:
            assert plain - 2 <= found <= plain


# Nesting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", [b"[", b"<</A", b"[<</A", b"((("])
def test_nesting_is_bounded(opening: bytes) -> None:
    with pytest.raises(PdfError):
        read_object(opening * 100_000, 0)


def test_a_tree_of_fields_deeper_than_anybody_needs_is_a_verdict() -> None:
    kids = [f"<</T(a)/Kids[{8 + number} 0 R]>>" for number in range(500)]
    data = letter(catalog="/AcroForm<</Fields[7 0 R]>>", more=["<<>>", *kids, "<</FT/Sig>>"])
    assert judged(data).reasons == ("LIMIT_EXCEEDED",)


# Each named limit ---------------------------------------------------------------------------------

SIGNED_TWICE = sign(sign(letter()))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(file_size=1000), "LIMIT_EXCEEDED"),
        (Limits(revisions=2), "LIMIT_EXCEEDED"),
        (Limits(signatures=1), "LIMIT_EXCEEDED"),
        (Limits(objects=8), "LIMIT_EXCEEDED"),
        (Limits(traces=1), "LIMIT_EXCEEDED"),
        (Limits(cms_size=500), "SIGNATURE_FAILED"),
        (Limits(changed_objects=1), "CHANGED_AFTER_SIGNING"),
        (Limits(visits=1), "CHANGED_AFTER_SIGNING"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_each_limit_gives_its_reason(limits: Limits, reason: str) -> None:
    assert reason in judged(SIGNED_TWICE, limits).reasons
    assert judged(SIGNED_TWICE).accept


def test_the_limit_on_certificates_leaves_out_what_is_over_it() -> None:
    signature = only(check(sign(letter())))
    assert signature.signer is not None
    report = judged(sign(letter()), Limits(certificates=0))
    assert report.signatures[0].signer is None
    assert not report.accept


def with_signers(container: bytes, count: int) -> bytes:
    """The same container, with its signer written many times."""
    outer = der.parse(container).children()
    signed_data = outer[1].children()[0]
    fields = [node.raw for node in signed_data.children()]
    fields[-1] = tlv(der.SET, signed_data.children()[-1].children()[0].raw * count)
    inner = tlv(0xA0, tlv(der.SEQUENCE, b"".join(fields)))
    return tlv(der.SEQUENCE, outer[0].raw + inner)


@pytest.mark.parametrize(("signers", "readable"), [(200, True), (201, False)])
def test_a_container_with_more_signers_than_anybody_needs_is_malformed(
    signers: int, *, readable: bool
) -> None:
    signed = sign(letter())
    found = next(iter(find_signatures(Document(signed)))).dictionary["Contents"]
    assert isinstance(found, bytes)
    data = with_signers(found, signers)
    covered = Covered(digest=lambda _: b"", everything=lambda: b"")
    start = time.process_time()
    facts = check_cms(
        data, sub_filter="ETSI.CAdES.detached", covered=covered, limits=DEFAULT_LIMITS
    )
    assert time.process_time() - start < CPU_SECONDS
    assert (facts.signer is not None) is readable


def test_a_file_over_the_limit_is_not_even_read() -> None:
    class Endless(BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            return DEFAULT_LIMITS.file_size + 1 if whence == 2 else super().seek(offset, whence)

        def read(self, _: int | None = -1) -> bytes:
            raise AssertionError("it is read")

    with pytest.raises(LimitExceeded):
        load(Endless())


def test_no_limit_is_without_a_test() -> None:
    tested = {
        "file_size", "revisions", "signatures", "objects", "traces", "cms_size", "changed_objects",
        "visits", "certificates", "depth", "stream_size", "decoded_total", "predicted_size",
        "slow_filters", "filters", "ratio",
    }  # fmt: skip
    tested |= {"drawings", "picture_seconds"}  # where pages are compared
    assert {field.name for field in fields(Limits)} == tested


def test_predicted_data_over_the_limit_is_given_up() -> None:
    entries = PdfDict()
    parameters = PdfDict()
    parameters.update(Predictor=12, Columns=1)
    entries["Filter"], entries["DecodeParms"] = Name("FlateDecode"), parameters
    with pytest.raises(LimitExceeded):
        filters.decode(zlib.compress(bytes(25 * MIB)), entries, limit=64 * MIB)


def test_a_free_number_is_still_found_in_a_hostile_file() -> None:
    assert free_number(letter()) == 6
    assert Document(letter()).latest.catalog is not None
