"""What the demonstration did, as a table for people, in Vietnamese and English."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from api.commands.output import out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.demo import Step


def print_steps(steps: Sequence[Step]) -> None:
    """Print the steps in order."""
    table = Table(title="Ấn Tín - trình diễn / demonstration")
    table.add_column("", justify="center")
    table.add_column("Bước / step")
    table.add_column("Kết quả / result", overflow="fold")
    table.add_column("ms", justify="right")
    for step in steps:
        mark = "[green]✔[/green]" if step.as_expected else "[red]✘[/red]"
        table.add_row(
            mark, f"{step.vi}\n[dim]{step.en}[/dim]", step.result, f"{step.milliseconds:.0f}"
        )
    out.print(table)
