"""`antin extend`: signatures that exist, ours or anybody's, are raised to a long-term level.

Exit codes: 0 extended (or nothing was missing), 1 refused, 2 wrong usage, 4 not a readable PDF.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 -- typer reads it
from typing import Annotated

import typer

from api.commands import evidence
from api.commands.output import AsJson, out, print_json, told
from api.commands.output_files import appearing
from api.commands.sign import NOT_READABLE, UNREADABLE, level_named
from pdf.cades_levels import extend_beside
from pdf.extend import Extended, ExtensionOptions
from pdf.extend import extend as extend_document
from pdf.options import Level
from pdf.timestamps import HttpTimestampSource


def extend(  # noqa: PLR0913, PLR0917 -- one parameter for each option of the command
    source: Annotated[Path, typer.Argument(metavar="IN", help="A signed PDF.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where the new version goes.")],
    level: Annotated[str, typer.Option(help="B-T, B-LT or B-LTA.")] = Level.B_LTA.value,
    tsa: Annotated[list[str] | None, typer.Option(help="Time-stamp server, repeatable.")] = None,
    trusted: Annotated[
        list[Path] | None, typer.Option("--trust", help="PEM file or folder; repeatable.")
    ] = None,
    password: Annotated[str | None, typer.Option(help="Opens an encrypted PDF.")] = None,
    content: Annotated[
        Path | None, typer.Option(help="The file that a detached signature (.p7s) was made over.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Add time-stamps and validation evidence behind a signed PDF.

    B-LTA on a document that has it already adds a new archive time-stamp. Nothing that was signed
    is touched. A detached signature (.p7s) comes with its --content. Exit codes: 0 done; 1 refused;
    2 wrong usage; 4 not a readable PDF.
    """
    with told():
        options = ExtensionOptions(
            level=level_named(level),
            at=datetime.now(UTC),
            timestamps=HttpTimestampSource(tsa) if tsa else None,
            evidence=evidence.collector(trusted),
            password=password,
        )
        try:
            if content is None:
                done = _extended(source, target, options)
            else:
                done = _extended_beside(source, target, content, options)
        except NOT_READABLE:
            with told(UNREADABLE):
                raise
    until = done.proven_until.isoformat() if done.proven_until else None
    if as_json:
        print_json({"level": done.level, "changed": done.changed, "proven_until": until})
    else:
        said = "đã bổ sung / extended" if done.changed else "đã đủ / nothing was missing"
        out.print(f"{target}: {done.level}, {said}; {until or '-'}")


def _extended(source: Path, target: Path, options: ExtensionOptions) -> Extended:
    with source.open("rb") as document, appearing(target) as staged:
        return extend_document(document, staged, options)


def _extended_beside(
    source: Path, target: Path, content: Path, options: ExtensionOptions
) -> Extended:
    with (
        content.open("rb") as document,
        source.open("rb") as signature,
        appearing(target) as staged,
    ):
        return extend_beside(signature, staged, options, document)
