"""What the command line costs before it does anything: the modules that a command loads."""

import resource
import subprocess
import sys
from collections.abc import Iterable

from tests.bench.http_load import ROOT
from tests.bench.row import Row

RUNS = 3
GOALS = {"sign": 0.25, "verify": 0.25, "": 0.5}
"""Of an interpreter that has loaded what every command needs: arguments, tables on a terminal."""


def rows() -> Iterable[Row]:
    """Measure the CPU of processes that only say how they are used."""
    least = start_ms("-c", "import typer, rich.console")
    for command, goal in GOALS.items():
        yield Row(
            name=f"cli.start.{command or 'overview'}",
            value=start_ms("-m", "api.cli", *filter(None, (command, "--help"))),
            unit="ms_cpu",
            reference_name="an interpreter with the command line's library",
            reference_value=least,
            goal=goal,
        )


def start_ms(*arguments: str) -> float:
    """Run the interpreter; the CPU of the cheapest run."""
    figures = []
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        figures.append(used * 1000)
    return min(figures)
