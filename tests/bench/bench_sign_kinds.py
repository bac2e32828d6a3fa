"""Signing files as different programs write them, and what a second process adds.

Besides the plain document of `bench_sign`, any valid PDF of that size has a bound: two milliseconds
of CPU time. Two processes are compared with one at the same work, in wall time.
"""

import multiprocessing
import subprocess
import tempfile
import time
from collections.abc import Iterable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tests.bench.bench_sign import cpu_ms, document, document_signed_once, ours
from tests.bench.row import Row
from tests.pdf.signing_kit import assemble, person

BOUND_MS = 2.0
SECONDS = 2.0
KINDS = {
    "object-streams": ["--object-streams=generate"],
    "linearised": ["--linearize", "--object-streams=disable"],
    "linearised-streams": ["--linearize", "--object-streams=generate"],
}


def rows() -> Iterable[Row]:
    """Measure the kinds of files, then one and two processes."""
    chain = person().chain
    plain = _letter()
    for name, source in (*_rewritten(plain), ("signed-before", document_signed_once(plain, chain))):
        yield Row(
            name=f"sign.b-b.50kB.{name}",
            value=cpu_ms(ours(source, chain), count=100),
            unit="ms_cpu",
            reference_name="two milliseconds",
            reference_value=BOUND_MS,
            goal=1.0,
        )
    yield Row(
        name="sign.b-b.50kB.2-processes",
        value=_rate(2),
        unit="per_s",
        reference_name="one process",
        reference_value=_rate(1),
        goal=1.8,
    )


def _letter() -> bytes:
    """Write eight pages that share 48 kB of content, so that every rewriting keeps it."""
    content = "%" + "\u00b7" * 24_000
    kids = " ".join(f"{number + 4} 0 R" for number in range(8))
    return assemble(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            f"<</Type/Pages/Kids[{kids}]/Count 8>>",
            f"<</Length {len(content.encode())}>>stream\n{content}\nendstream",
            *["<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R>>"] * 8,
        ]
    )


def _rewritten(plain: bytes) -> Iterable[tuple[str, bytes]]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.pdf", Path(folder) / "b.pdf"
        source.write_bytes(plain)
        for name, options in KINDS.items():
            how = [*options, "--compress-streams=n", "--stream-data=preserve"]
            subprocess.run(["qpdf", source, *how, target], check=True)
            yield name, target.read_bytes()


def _rate(processes: int) -> float:
    """Give signatures per second of so many processes that begin together."""
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(processes)
    with context.Pool(processes, initializer=_wait_for, initargs=(begin,)) as pool:
        return sum(pool.map(_signatures, [SECONDS] * processes, chunksize=1))


_BEGIN: list[Barrier] = []


def _wait_for(begin: Barrier) -> None:
    _BEGIN.append(begin)


def _signatures(seconds: float) -> float:
    work = ours(document(50_000), person().chain)
    work()
    _BEGIN[0].wait()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        count += 1
    return count / (time.perf_counter() - start)
