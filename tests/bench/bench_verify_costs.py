"""Verification where it is costly: archives, large lists, large files, whole folders."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader

from ca.loaded_crls import KEPT, load
from ca.serial_index import SerialIndex, SerialIndexes, index_of
from ca.validation import PathValidator
from pdf.embed import embed
from pdf.options import Level
from pdf.prepare import SignatureOptions, prepare
from pdf.report import Indication
from pdf.verify import verify
from tests.bench.row import Row
from tests.ca.hierarchy import NOW
from tests.ca.test_loaded_crls import large
from tests.pdf.archive_kit import AT, RSA, Province
from tests.pdf.signing_kit import raw_signature

_MB = 1024 * 1024
_LARGE = 500
_FILES = 400


def rows() -> Iterator[Row]:
    """Measure with everything checked; a limit of the specification stands where no peer fits."""
    yield _archive()
    yield from _lists()
    yield from _large_file()
    yield _folder()


def _median(once: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.process_time()
        once()
        taken.append((time.process_time() - start) * 1000)
    return sorted(taken)[len(taken) // 2]


def _archive() -> Row:
    province = Province()
    data = province.sign(level=Level.B_LTA)
    validator = PathValidator([province.root.der])

    def ours() -> None:
        report = verify(BytesIO(data), name="x", at=AT, checked_at=AT, validator=validator)
        if report.indication is not Indication.TOTAL_PASSED:
            raise RuntimeError(report.to_dict())

    def theirs() -> None:
        for signature in PdfFileReader(BytesIO(data)).embedded_signatures:
            signature.compute_integrity_info()

    return Row(
        name="verify.b-lta.offline",
        value=_median(ours, 20),
        unit="ms_cpu",
        reference_name="pyHanko, integrity alone",
        reference_value=_median(theirs, 5),
        goal=1.0,
    )


def _lists() -> Iterator[Row]:
    top, issuing, signer, data = large()
    own = top.crl()

    def ours() -> None:
        judged = PathValidator([top.der]).validate(
            signer.der, purpose="signing", at=NOW, others=[issuing.der], crls=[data, own]
        )
        if not judged.trusted:
            raise RuntimeError(judged)

    def cold() -> None:
        KEPT.__init__()  # as a process begins
        ours()

    def library() -> None:
        read = x509.load_der_x509_crl(data)
        if not read.is_signature_valid(issuing.cert.public_key()):  # type: ignore[arg-type]
            raise RuntimeError
        if read.get_revoked_certificate_by_serial_number(signer.cert.serial_number):
            raise RuntimeError

    reference = _median(library, 3)
    with tempfile.TemporaryDirectory() as folder:
        indexes = SerialIndexes(Path(folder), b"k" * 32)
        indexes.write(data, _indexed(data))

        def other_process() -> None:
            KEPT.__init__()
            KEPT.load(data, indexes=indexes)
            ours()

        asked = (("cold", cold, 60.0), ("warm", ours, 15.0), ("indexed", other_process, 15.0))
        for name, once, goal in asked:
            yield Row(
                name=f"verify.crl-100k.{name}",
                value=_median(once, 5),
                unit="ms_cpu",
                reference_name="cryptography, read and search",
                reference_value=reference,
                goal=reference / goal,
            )


def _indexed(data: bytes) -> SerialIndex:
    loaded = load(data)
    if loaded is None or loaded.frame is None:
        raise RuntimeError
    return index_of(data, loaded.frame)


def _large_file() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        file, anchor = Path(folder, "large.pdf"), Path(folder, "root.der")
        _sign_large(file, anchor)
        told = subprocess.run(
            [sys.executable, "-m", "tests.bench.verify_alone", file, anchor, AT.isoformat()],
            capture_output=True,
            text=True,
            check=True,
        )
    memory, milliseconds = map(float, told.stdout.split())
    yield Row(
        name="verify.500MB.memory",
        value=memory,
        unit="MB",
        reference_name="limit of the specification",
        reference_value=100.0,
        goal=1.0,
    )
    yield Row(
        name="verify.500MB",
        value=milliseconds,
        unit="ms_cpu",
        reference_name="0.5 ms a megabyte: hashing twice",
        reference_value=1.0 * _LARGE,
    )


def _sign_large(file: Path, anchor: Path) -> None:
    province = Province()
    anchor.write_bytes(province.root.der)
    with file.with_suffix(".plain").open("w+b") as source, file.open("w+b") as staged:
        _write_large(source)
        asked = SignatureOptions(signing_time=AT)
        prepared = prepare(source, staged, options=asked, signer=province.chain, algorithm=RSA)
        made = raw_signature(province.signer.key, RSA, prepared.to_be_signed)
        embed(staged, prepared, signature=made, signer=province.chain)


def _write_large(out: BinaryIO) -> None:
    """A page with one picture of 500 MB."""
    block = os.urandom(_MB)
    size = _LARGE * _MB
    picture = (
        f"<</Type/XObject/Subtype/Image/Width 8192/Height {size // 8192}/ColorSpace/DeviceGray"
        f"/BitsPerComponent 8/Length {size}>>\nstream\n"
    )
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</XObject<</X 4 0 R>>>>>>",
    ]
    out.write(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{body}\nendobj\n".encode())
    offsets.append(out.tell())
    out.write(f"4 0 obj\n{picture}".encode())
    out.writelines(block for _ in range(_LARGE))
    out.write(b"\nendstream\nendobj\n")
    start = out.tell()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    out.write(
        f"xref\n0 5\n0000000000 65535 f \n{table}trailer\n<</Size 5/Root 1 0 R>>\n"
        f"startxref\n{start}\n%%EOF\n".encode()
    )


def _folder() -> Row:
    """A folder of archives, with one core and with all of them."""
    province = Province()
    data = province.sign(level=Level.B_LTA)
    with tempfile.TemporaryDirectory() as folder:
        anchor = Path(folder, "root.pem")
        anchor.write_bytes(province.root.cert.public_bytes(Encoding.PEM))
        files = Path(folder, "incoming")
        files.mkdir()
        for number in range(_FILES):
            (files / f"{number}.pdf").write_bytes(data)
        all_cores = _verified(files, anchor, {*os.sched_getaffinity(0)})
        one_core = _verified(files, anchor, {min(os.sched_getaffinity(0))})
    cores = len(os.sched_getaffinity(0))
    return Row(
        name="verify.folder.all_cores",
        value=_FILES / all_cores,
        unit="per_s",
        reference_name=f"one core of {cores}",
        reference_value=_FILES / one_core,
        goal=0.85 * cores,
    )


def _verified(files: Path, anchor: Path, cores: set[int]) -> float:
    """Seconds for the files, the start of interpreters left out."""
    command = [sys.executable, "-m", "api.cli", "verify", "--offline", "--trust", str(anchor)]
    taken = []
    for which in ([str(next(files.iterdir()))] * 2, [str(files)]):
        start = time.monotonic()
        subprocess.run(
            [*command, *which],
            check=False,
            capture_output=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        taken.append(time.monotonic() - start)
    return max(taken[1] - taken[0], 0.01)
