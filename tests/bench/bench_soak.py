"""Thirty-two clients on four tokens: does every signature come, and is every one right?

`make bench ONLY=soak` makes a hundred thousand, `python -m tests.bench soak --size N` as many as
are asked for; among all benchmarks five thousand must do. Half of the keys are RSA-2048, half
P-256; each signature is verified twice, by the room and by its client.
"""

import sys
import time
from collections.abc import Iterable

from tests.bench.row import Row
from tests.hsm.soak import CLIENTS, SLOTS, soak

SHORT = 5_000


def rows(count: int = SHORT) -> Iterable[Row]:
    """Run it once."""
    began = time.perf_counter()
    result = soak(count)
    seconds = time.perf_counter() - began
    name = f"soak.{count}.{CLIENTS}-clients.{SLOTS}-slots"
    for error in sorted(set(result.errors)):
        print(f"{result.errors.count(error)} x {error}", file=sys.stderr)  # noqa: T201 - the report
    yield Row(
        name=f"{name}.right",
        value=max(result.signatures - result.refused_by_us, 0.5),
        unit="ratio",
        reference_name="signatures asked for",
        reference_value=count,
        goal=1.0,
    )
    yield Row(
        name=f"{name}.rate",
        value=count / seconds,
        unit="per_s",
        reference_name="none: it informs",
        reference_value=count / seconds,
    )
