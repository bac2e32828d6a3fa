"""`antin backup` and `antin restore`: the whole installation as a folder, and back."""

from pathlib import Path
from typing import Annotated

import typer

from api.backup import Copied
from api.backup import backup as write_backup
from api.backup import restore as read_backup
from api.commands.installation import operator
from api.commands.output import told
from api.settings import from_environment
from api.wiring import utc_now

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder.")]


def backup(folder: Folder) -> None:
    """Write database, keys, tokens, secrets and documents to a new folder; the server may run.

    The folder then holds every secret of the installation: keep it as you keep the keys.
    """
    with told():
        settings = from_environment()
        _tell("backed up", write_backup(settings, folder, at=utc_now(), actor=operator()))


def restore(folder: Folder) -> None:
    """Bring a backup back into an empty ANTIN_HOME (and an empty external database)."""
    with told():
        settings = from_environment()
        _tell("restored", read_backup(settings, folder, at=utc_now(), actor=operator()))


def _tell(done: str, copied: Copied) -> None:
    typer.echo(f"{done}: {copied.files} files, {copied.size / 1e6:.1f} MB")
