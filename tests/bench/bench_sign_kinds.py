"""Signing files as different programs write them, and what a second process adds.

Besides the plain document of `bench_sign`, any valid PDF of that size has a bound: two milliseconds
of CPU time. Encrypted ones have none: finding the key is slow on purpose (ISO 32000-2 section
7.6.4.3.4). Two processes are compared with one at the same work, in wall time, each in its best of
some runs by turns: a neighbour on the machine must not decide.
"""

import multiprocessing
import time
from collections.abc import Iterable
from multiprocessing.synchronize import Barrier

from tests.bench.bench_sign import cpu_ms, document, document_signed_once, ours
from tests.bench.row import Row
from tests.pdf.rewritten import LAYOUTS, rewritten
from tests.pdf.signing_kit import assemble, person

BOUND_MS = 2.0
SECONDS = 1.0
TURNS = 3
AS_IT_IS = ("--compress-streams=n", "--stream-data=preserve")
ENCRYPTED = ("--encrypt", "", "author", "256", "--")


def rows() -> Iterable[Row]:
    """Measure the kinds of files, then one and two processes."""
    chain = person().chain
    plain = _letter()
    kinds = {layout: rewritten(plain, *options, *AS_IT_IS) for layout, options in LAYOUTS.items()}
    kinds["fields-to-fill-in"] = _letter(fields=9)
    kinds["signed-before"] = document_signed_once(plain, chain)
    kinds["encrypted"] = rewritten(plain, *ENCRYPTED, *AS_IT_IS)
    for name, source in kinds.items():
        yield Row(
            name=f"sign.b-b.50kB.{name}",
            value=cpu_ms(ours(source, chain), count=100),
            unit="ms_cpu",
            reference_name="two milliseconds",
            reference_value=BOUND_MS,
            goal=None if name == "encrypted" else 1.0,
        )
    turns = [(_rate(1), _rate(2)) for _ in range(TURNS)]
    yield Row(
        name="sign.b-b.50kB.2-processes",
        value=max(two for _, two in turns),
        unit="per_s",
        reference_name="one process",
        reference_value=max(one for one, _ in turns),
        goal=1.8,
    )


def _letter(fields: int = 0) -> bytes:
    """Write eight pages that share 48 kB of content, so that every rewriting keeps it."""
    content = "%" + "\u00b7" * 24_000
    kids = " ".join(f"{number + 4} 0 R" for number in range(8))
    listed = " ".join(f"{number + 12} 0 R" for number in range(fields))
    form = f"/AcroForm<</SigFlags 3/Fields[{listed}]>>" if fields else ""
    first = f"/Annots[{listed}]" if fields else ""
    page = "/Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R"
    return assemble(
        [
            f"<</Type/Catalog/Pages 2 0 R{form}>>",
            f"<</Type/Pages/Kids[{kids}]/Count 8>>",
            f"<</Length {len(content.encode())}>>stream\n{content}\nendstream",
            f"<<{page}{first}>>",
            *[f"<<{page}>>"] * 7,
            *(
                f"<</Type/Annot/Subtype/Widget/FT/Tx/T(f{each})/Rect[9 9 99 29]/P 4 0 R>>"
                for each in range(fields)
            ),
        ]
    )


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
