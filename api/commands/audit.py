"""`antin audit`: is the log whole, the log as a file, and is such a file whole."""

from pathlib import Path
from typing import Annotated

import typer

from api.commands.installation import installation
from api.commands.output import FAILED, AsJson, complain, print_json, told
from api.schemas.administration import AuditVerdictOut
from db import audit_export, audit_verification
from db.audit_verification import AuditVerdict

group = typer.Typer(no_args_is_help=True, help="The audit log.")


@group.command("verify")
def verify(*, as_json: AsJson = False) -> None:
    """Check every link of the audit log; exit code 1 when one is broken."""
    with installation() as wiring, wiring.sessions() as session:
        verdict = audit_verification.verify(session)
    _tell(verdict, as_json=as_json)


@group.command("export")
def export(
    file: Annotated[Path | None, typer.Argument(help="Where to; standard output without.")] = None,
) -> None:
    """Write the whole log as JSON lines, each with its place in its hash chain."""
    with installation() as wiring, wiring.sessions() as session:
        lines = audit_export.lines(session, at=wiring.clock())
        if file is None:
            for line in lines:
                typer.echo(line, nl=False)
            return
        with file.open("x", encoding="utf-8") as target:
            target.writelines(lines)
    typer.echo(f"written {file}")


@group.command("check")
def check(file: Path, *, as_json: AsJson = False) -> None:
    """Check an exported log by itself, without a database; exit code 1 when it is broken."""
    with told(), file.open(encoding="utf-8") as source:
        verdict = audit_export.check(source)
    _tell(verdict, as_json=as_json)


def _tell(verdict: AuditVerdict, *, as_json: bool) -> None:
    shown = AuditVerdictOut.of(verdict)
    if as_json:
        print_json(shown.model_dump(mode="json"))
    else:
        word = "intact" if shown.intact else "BROKEN"
        typer.echo(f"{word}: {shown.entries} entries in {shown.chains} chains")
    if not shown.intact:
        first = shown.broken[0]
        complain(
            f"chain {first.chain} breaks at {first.sequence}: {first.fault}",
            "Compare with a backup or a stored anchor; somebody changed the database.",
        )
        raise typer.Exit(FAILED)
