"""Verification: one signature, many signatures, later changes; beside pyHanko in the same run."""

import gc
import time
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from ca.validation import PathPolicy, PathValidator, RevocationRule
from pdf.appearance import Stamp
from pdf.byte_range import ByteRange
from pdf.change_kinds import Change, ChangeLevel
from pdf.changes import ChangeHistory
from pdf.document import Document
from pdf.permissions import Permissions
from pdf.report import Indication
from pdf.verify import verify
from tests.bench.row import Row
from tests.pdf.signing_kit import NOW, root, sign
from tests.pdf.verifying_kit import letter, stream

_EACH_TURN = 4


def rows() -> Iterator[Row]:
    """Measure CPU time in full: structure, mathematics, path, later changes."""
    small = letter(more=[stream(bytes(range(32, 127)) * 480)])
    one = sign(small)
    ours, theirs = _ours(one), _theirs(one)
    yield Row(
        name="verify.one.50kB",
        value=ours,
        unit="ms_cpu",
        reference_name="pyHanko, no revocation",
        reference_value=theirs,
        goal=5.0,
    )
    twenty = _signed(small, 20)
    alone, together = _beside(one, twenty)
    yield Row(
        name="verify.twenty.per_signature",
        value=together / 20,
        unit="ms_cpu",
        reference_name="ours, one signature",
        reference_value=alone,
        goal=1 / 1.2,
    )
    yield Row(
        name="verify.twenty",
        value=together,
        unit="ms_cpu",
        reference_name="pyHanko, no revocation",
        reference_value=_theirs(twenty, times=1),
    )
    yield Row(
        name="verify.forty",
        value=_ours(_signed(twenty, 20), times=5),
        unit="ms_cpu",
        reference_name="the limit",
        reference_value=300.0,
        goal=1.0,
    )
    yield Row(
        name="verify.hybrid.25signatures",
        value=_ours(_signed(_hybrid(2_000), 25), times=5),
        unit="ms_cpu",
        reference_name="the limit",
        reference_value=500.0,
        goal=1.0,
    )
    yield from _many_pages()
    yield _stamped(small)


def _many_pages() -> Iterator[Row]:
    """500 pages signed five times, and what looking at later changes adds."""
    pages = _signed(_pages(500), 5)
    yield Row(
        name="verify.500pages.5signatures",
        value=_ours(pages),
        unit="ms_cpu",
        reference_name="pyHanko, no revocation",
        reference_value=_theirs(pages, times=1),
    )
    without, whole = _with_and_without_changes(pages)
    yield Row(
        name="verify.500pages.changes",
        value=whole,
        unit="ms_cpu",
        reference_name="ours, later changes not looked at",
        reference_value=without,
        goal=1 / 1.5,
    )


def _stamped(data: bytes) -> Row:
    """Two visible signatures on one page: structure does not decide, so the page is drawn."""
    for place in (100, 200):
        data = sign(data, stamp=Stamp(lines=("Da ky",)), box=(50, place, 300, place + 60))
    return Row(
        name="verify.two_stamps.pages_compared",
        value=_measure(_once(data), 10, clock=time.perf_counter),
        unit="ms_wall",
        reference_name="one signature, nothing to compare",
        reference_value=_measure(_once(sign(letter())), 10, clock=time.perf_counter),
    )


def _with_and_without_changes(data: bytes) -> tuple[float, float]:
    """Give the time of both, measured by turns; nothing after is taken for no change."""
    once = _once(data)

    def without() -> None:
        looked, ChangeHistory.after = ChangeHistory.after, _nothing  # type: ignore[method-assign]
        try:
            once()
        finally:
            ChangeHistory.after = looked  # type: ignore[method-assign]

    return _by_turns(without, once, 6)


def _nothing(
    _history: ChangeHistory, _range: ByteRange, _permissions: Permissions
) -> tuple[ChangeLevel, tuple[Change, ...]]:
    return ChangeLevel.NONE, ()


def _beside(one: bytes, other: bytes) -> tuple[float, float]:
    return _by_turns(_once(one), _once(other), 8)


def _by_turns(
    one: Callable[[], None], other: Callable[[], None], times: int
) -> tuple[float, float]:
    """Measure two things by turns, so that both meet the same machine; give both medians.

    In each turn a thing is done a few times, and the first, which the other one disturbs, is not
    counted.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(times):
        for what, into in zip((one, other), taken, strict=True):
            gc.collect()
            what()
            for _ in range(_EACH_TURN):
                start = time.process_time()
                what()
                into.append((time.process_time() - start) * 1000)
    return sorted(taken[0])[len(taken[0]) // 2], sorted(taken[1])[len(taken[1]) // 2]


def _hybrid(count: int) -> bytes:
    """A file as word processors write it: most objects packed, listed for newer readers only."""
    base = letter()
    first = max(Document(base).latest.entries) + 1
    bodies = [b"<</Type/Filler/Number %d>>" % n for n in range(count)]
    index, place = [], 0
    for number, body in enumerate(bodies, start=first):
        index.append(b"%d %d" % (number, place))
        place += len(body) + 1
    head = b" ".join(index) + b" "
    packed = zlib.compress(head + b" ".join(bodies))
    container, table = first + count, first + count + 1
    out = bytearray(base)
    at = len(out)
    entries = f"/Type/ObjStm/N {count}/First {len(head)}/Filter/FlateDecode"
    out += f"{container} 0 obj\n".encode() + stream(packed, entries) + b"\nendobj\n"
    rows = b"".join(b"\x02" + container.to_bytes(4) + n.to_bytes(2) for n in range(count))
    hidden = len(out)
    fields = f"/Type/XRef/W[1 4 2]/Index[{first} {count}]/Size {table + 1}/Root 1 0 R"
    out += f"{table} 0 obj\n".encode() + stream(rows, fields) + b"\nendobj\n"
    start, previous = len(out), Document(base).latest.sections[0].offset
    out += f"xref\n{container} 1\n{at:010d} 00000 n \ntrailer\n<</Size {table + 1}".encode()
    out += f"/Root 1 0 R/Prev {previous}/XRefStm {hidden}>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def _signed(data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = sign(data)
    return data


def _pages(count: int) -> bytes:
    kids = " ".join(f"{6 + 2 * n} 0 R" for n in range(count))
    more: list[str | bytes] = []
    for number in range(count):
        text = f"BT /F1 12 Tf 72 700 Td (Trang {number}) Tj ET".encode() + b" " * 1500
        body = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {7 + 2 * number} 0 R>>"
        more += [body, stream(text)]
    base = letter(more=more)
    before = b"/Kids[4 0 R]/Count 1"
    after = f"/Kids[4 0 R {kids}]/Count {count + 1}".encode()
    grown = len(after) - len(before)
    data = base.replace(before, after)
    return _moved(data, grown, base.index(before))


def _moved(data: bytes, grown: int, place: int) -> bytes:
    """Shift the offsets of the table behind a place that grew."""
    start = data.rindex(b"xref\n0 ")
    head, rest = data[:start], data[start:].split(b"\n")
    lines = [
        b"%010d" % (int(line[:10]) + grown) + line[10:]
        if line.endswith(b" n ") and int(line[:10]) > place
        else line
        for line in rest
    ]
    lines[lines.index(b"startxref") + 1] = str(start).encode()
    return head + b"\n".join(lines)


def _ours(data: bytes, *, times: int = 20) -> float:
    return _measure(_once(data), times)


def _once(data: bytes) -> Callable[[], None]:
    """Give a verification that has to pass."""
    anchor = root()[0].public_bytes(Encoding.DER)
    validator = PathValidator([anchor], policy=PathPolicy(revocation=RevocationRule.OFF))

    def once() -> None:
        report = verify(BytesIO(data), name="x.pdf", at=NOW, checked_at=NOW, validator=validator)
        if report.indication is not Indication.TOTAL_PASSED:
            raise RuntimeError(report.to_dict())

    return once


def _theirs(data: bytes, *, times: int = 5) -> float:
    from asn1crypto import x509  # noqa: PLC0415 (the peer's own form of a certificate)

    anchor = x509.Certificate.load(root()[0].public_bytes(Encoding.DER))

    def once() -> None:
        context = ValidationContext(trust_roots=[anchor], allow_fetching=False)
        for signature in PdfFileReader(BytesIO(data)).embedded_signatures:
            if not validate_pdf_signature(signature, context).intact:
                raise RuntimeError("the peer refuses our file")

    return _measure(once, times)


def _measure(
    once: Callable[[], None], times: int, *, clock: Callable[[], float] = time.process_time
) -> float:
    """Give the median of CPU milliseconds."""
    once()
    gc.collect()
    taken = []
    for _ in range(times):
        start = clock()
        once()
        taken.append((clock() - start) * 1000)
    return sorted(taken)[len(taken) // 2]
