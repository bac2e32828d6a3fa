"""What every command does alike: one line for an error, what to do about it, JSON when asked.

Exit codes of the operators' commands: 0 done, 1 refused or failed, 2 wrong usage. `antin sign` and
`antin verify` have their own, told in their help.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from api.errors import ApiError
from ca.errors import CaError
from db.errors import DbError
from hsm.errors import HsmError
from pdf.errors import PdfError
from signing.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from api.problem_words import RoomError

ROOM_ERRORS: Final = (ApiError, CaError, DbError, HsmError, PdfError, SigningError)
FAILED: Final = 1
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

log = logging.getLogger("antin.cli")
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def complain(message: str, what_to_do: str) -> None:
    """Print an error as one line and, below it, what to do."""
    err.print(f"antin: {' '.join(message.split())}")
    err.print(f"  {what_to_do}")


def complain_about(error: RoomError, name: str = "") -> None:
    """Print what a room refused, and what to do about it in English and in Vietnamese."""
    from api.problem_words import problem  # noqa: PLC0415 -- what most runs of a command never need

    message = str(error) or type(error).__name__
    complain(f"{name}: {message}" if name else message, error.diagnostics())
    vietnamese = problem(error, "vi")
    err.print(f"  {vietnamese['detail']} {vietnamese['what_to_do']}")


@contextlib.contextmanager
def told(code: int = FAILED) -> Iterator[None]:
    """Turn every error inside into its lines and an exit code; never a traceback."""
    try:
        yield
    except ROOM_ERRORS as error:
        complain_about(error)
        raise typer.Exit(code) from error
    except Exception as error:
        if not isinstance(error, (OSError, *_database_errors())):
            raise
        log.debug("failed", exc_info=error)
        reason = error.strerror if isinstance(error, OSError) else "the database does not answer"
        name = f" {error.filename}" if isinstance(error, OSError) and error.filename else ""
        complain(f"{reason or type(error).__name__}{name}", "Check that it is there.")
        raise typer.Exit(code) from error


def show(rows: Sequence[Mapping[str, object]], *, as_json: bool, title: str = "") -> None:
    """Print rows as a table, or as a JSON list."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        out.print("(nothing)" if not title else f"{title}: (nothing)")
        return
    table = Table(title=title or None)
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)


def _cell(value: object) -> str:
    """Say a value in a table: lists and records by what is in them."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            return " ".join(filter(None, map(_cell, value.values())))
        case list() | tuple():
            return ", ".join(map(_cell, value))
        case _:
            return str(value)


def print_json(value: object) -> None:
    """Print JSON on standard output, and nothing else there."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _database_errors() -> tuple[type[Exception], ...]:
    """Give what the database raises, where anything of it was loaded: most commands need none."""
    loaded = sys.modules.get("sqlalchemy.exc")
    return () if loaded is None else (loaded.SQLAlchemyError,)
