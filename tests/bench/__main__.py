"""Runs the benchmarks: `python -m tests.bench [PREFIX]` (`make bench`, `make bench ONLY=sign`).

Every tests/bench/bench_*.py offers `rows()`; this collects them into one table and out/bench.json.
A goal that is missed is shown, not punished: the figures belong to the machine of the day. Only a
provider that breaks makes the exit code 1.
"""

import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.row import Row, RowProvider

HERE = Path(__file__).parent
REPORT = HERE.parents[1] / "out" / "bench.json"
PROGRESS = Console(stderr=True)


def subjects(prefix: str) -> list[str]:
    """Name the bench_*.py to run: a prefix may name one of them or reach inside it."""
    found = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    subject = prefix.split(".", maxsplit=1)[0]
    named = [name for name in found if name.startswith(subject)]
    return named or found  # a row's first word need not be the name of its file


def measure(subject: str, prefix: str) -> Iterator[Row]:
    """Run one provider, keeping the rows asked for."""
    provider: RowProvider = importlib.import_module(f"tests.bench.bench_{subject}")
    for row in provider.rows():
        if row.name.startswith(prefix):
            PROGRESS.print(f"{row.name}: {row.value:.4g} {row.unit}", highlight=False)
            yield row


def show(rows: list[Row]) -> None:
    """Print the table."""
    table = Table(title="value beside its reference; a ratio of 1.0 is as good, more is better")
    for heading in ("name", "value", "unit", "reference", "its value", "ratio", "goal", "holds"):
        table.add_column(heading, justify="left" if heading in {"name", "reference"} else "right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.value:.4g}",
            row.unit,
            row.reference_name,
            f"{row.reference_value:.4g}",
            f"{row.ratio:.2f}",
            "" if row.goal is None else f"{row.goal:g}",
            {None: "", True: "yes", False: "NO"}[row.holds],
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def main(prefix: str = "") -> int:
    """Measure, print, write; 0 unless a provider broke."""
    rows: list[Row] = []
    broken: list[str] = []
    for subject in subjects(prefix):
        try:
            rows.extend(measure(subject, prefix))
        except Exception:  # noqa: BLE001  one broken provider must not cost the others' figures
            broken.append(subject)
            traceback.print_exc()
    show(rows)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(json.dumps([row.to_dict() for row in rows], indent=2) + "\n")
    if broken:
        PROGRESS.print(f"broken providers: {', '.join(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
