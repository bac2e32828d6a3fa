"""Verification: one signature, many signatures, later changes; beside pyHanko in the same run."""

import gc
import time
from collections.abc import Callable, Iterator
from io import BytesIO

from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from ca.validation import PathPolicy, PathValidator, RevocationRule
from pdf.report import Indication
from pdf.verify import verify
from tests.bench.row import Row
from tests.pdf.signing_kit import NOW, root, sign
from tests.pdf.verifying_kit import letter, stream


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
    each = _ours(twenty) / 20
    yield Row(
        name="verify.twenty.per_signature",
        value=each,
        unit="ms_cpu",
        reference_name="ours, one signature",
        reference_value=ours,
        goal=1 / 1.2,
    )
    yield Row(
        name="verify.twenty",
        value=each * 20,
        unit="ms_cpu",
        reference_name="pyHanko, no revocation",
        reference_value=_theirs(twenty, times=1),
    )
    pages = _signed(_pages(500), 5)
    yield Row(
        name="verify.500pages.5signatures",
        value=_ours(pages),
        unit="ms_cpu",
        reference_name="pyHanko, no revocation",
        reference_value=_theirs(pages, times=1),
    )


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
    anchor = root()[0].public_bytes(Encoding.DER)
    validator = PathValidator([anchor], policy=PathPolicy(revocation=RevocationRule.OFF))

    def once() -> None:
        report = verify(BytesIO(data), name="x.pdf", at=NOW, checked_at=NOW, validator=validator)
        if report.indication is not Indication.TOTAL_PASSED:
            raise RuntimeError(report.to_dict())

    return _measure(once, times)


def _theirs(data: bytes, *, times: int = 5) -> float:
    from asn1crypto import x509  # noqa: PLC0415 (the peer's own form of a certificate)

    anchor = x509.Certificate.load(root()[0].public_bytes(Encoding.DER))

    def once() -> None:
        context = ValidationContext(trust_roots=[anchor], allow_fetching=False)
        for signature in PdfFileReader(BytesIO(data)).embedded_signatures:
            if not validate_pdf_signature(signature, context).intact:
                raise RuntimeError("the peer refuses our file")

    return _measure(once, times)


def _measure(once: Callable[[], None], times: int) -> float:
    """Give the median of CPU milliseconds."""
    once()
    gc.collect()
    taken = []
    for _ in range(times):
        start = time.process_time()
        once()
        taken.append((time.process_time() - start) * 1000)
    return sorted(taken)[len(taken) // 2]
