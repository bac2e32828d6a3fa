"""`antin demo`: the main job from end to end, on an installation of its own that is removed."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands.demo_table import print_steps
from api.commands.output import complain, told
from api.demo import Demo

SAMPLE = Path(__file__).resolve().parents[2] / "docs" / "samples" / "quyet-dinh.pdf"


def demo(
    file: Annotated[Path | None, typer.Argument(help="A PDF of your own.")] = None,
    out_dir: Annotated[Path, typer.Option("--out", help="Where the files go.")] = Path("out"),
) -> None:
    """Issue a certificate, sign a PDF, verify, revoke, verify again.

    Exit codes: 0 every step gave the expected verdict; 1 one did not.
    """
    with told():
        run = Demo(document=file or SAMPLE, out=out_dir)
        try:
            run.play()
        finally:
            if run.steps:
                print_steps(run.steps)
    if not all(step.as_expected for step in run.steps):
        complain(
            "a step did not give what was expected",
            f"Read the table above and {out_dir / 'server.log'}.",
        )
        raise typer.Exit(1)
