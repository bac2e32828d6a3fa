"""Runs the benchmarks: `python -m tests.bench [PREFIX]` (`make bench`, `make bench ONLY=sign`).

`--help` says what subjects there are.

Every tests/bench/bench_*.py offers `rows()`; this collects them into one table and out/bench.json.
A goal that is missed is shown, not punished: the figures belong to the machine of the day. Only a
provider that breaks makes the exit code 1.
"""

import argparse
import ast
import importlib
import json
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.row import Row, RowProvider

HERE = Path(__file__).parent
REPORT = HERE.parents[1] / "out" / "bench.json"
PROGRESS = Console(stderr=True)
LONG_SOAK = 100_000
"""Signatures of a soak that is asked for by its name."""


def every_subject() -> dict[str, str]:
    """Name all bench_*.py with the first line of what each says of itself; nothing is run."""
    told = {}
    for path in sorted(HERE.glob("bench_*.py")):
        said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        told[path.stem.removeprefix("bench_")] = said.partition("\n")[0]
    return told


def subjects(prefix: str) -> list[str]:
    """Name the bench_*.py to run: a prefix may name one of them or reach inside it."""
    found = list(every_subject())
    subject = prefix.split(".", maxsplit=1)[0]
    named = [name for name in found if name.startswith(subject)]
    return named or found  # a row's first word need not be the name of its file


def measure(subject: str, prefix: str, size: int | None) -> Iterator[Row]:
    """Run one provider, keeping the rows asked for; *size* is for the soak alone."""
    module = importlib.import_module(f"tests.bench.bench_{subject}")
    provider: RowProvider = module
    for row in provider.rows() if size is None else module.rows(size):
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


def options() -> argparse.ArgumentParser:
    """Say what can be asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description="Measure beside peers and limits; print a table and write out/bench.json.",
        epilog="subjects:\n"
        + "\n".join(f"  {of:15} {told}" for of, told in every_subject().items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "prefix", nargs="?", default="", help="a subject, or the beginning of a row's name"
    )
    parser.add_argument(
        "--size", type=int, metavar="N", help=f"signatures of the soak (alone: {LONG_SOAK:,})"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 0 unless a provider broke."""
    parser = options()
    asked = parser.parse_args(arguments)
    prefix: str = asked.prefix
    size: int | None = asked.size
    if size is None and prefix.startswith("soak"):
        size = LONG_SOAK
    elif size is not None and (size < 1 or not prefix.startswith("soak")):
        parser.error("--size goes with the subject soak, and is one or more")
    rows: list[Row] = []
    broken: list[str] = []
    for subject in subjects(prefix):
        try:
            rows.extend(measure(subject, prefix, size))
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
    sys.exit(main())
