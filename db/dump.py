"""The whole database as one file, and back: by PostgreSQL's own pg_dump and pg_restore.

The programs are those of the embedded server, for an external one too; where that is newer than
they are, pg_dump refuses, and the ones on the PATH are tried. The dump is of one moment, whoever
writes meanwhile. Passwords travel in the environment of the program, never in its arguments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from psycopg import conninfo
from sqlalchemy import text

from db.errors import DumpFailed, ProgramsMissing
from db.postgres_programs import PostgresPrograms
from db.session import libpq_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

TIMEOUT_S: Final = 6 * 3600
_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC"}
_TABLES: Final = text(
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND n.nspname NOT LIKE 'pg_toast%'"
)


def dump(url: str, file: Path) -> None:
    """Write the database at `url` to a new file, compressed; raises DumpFailed."""
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def restore(url: str, file: Path) -> None:
    """Fill the empty database at `url` from a dump, wholly or not at all; raises DumpFailed."""
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    _run("pg_restore", url, *options, str(file))


def is_empty(session: Session) -> bool:
    """Whether the session's database has no table of anybody."""
    return not session.scalar(_TABLES)


def _run(program: str, url: str, *arguments: str) -> None:
    target, password = _target(url)
    environment = {**_ENVIRONMENT, "PGPASSWORD": password}
    said = ""
    for path in _places(program):
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, arguments are ours
            [path, "--no-password", f"--dbname={target}", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
        if done.returncode == 0:
            return
        said = " / ".join(done.stderr.strip().splitlines()[-3:])
        if "version mismatch" not in done.stderr:
            break
    raise DumpFailed(f"{program}: {said or 'no such program here'}")


def _places(program: str) -> Iterator[str]:
    with suppress(ProgramsMissing):
        yield str(PostgresPrograms.find().folder / program)
    found = shutil.which(program, path=os.pathsep.join((_ENVIRONMENT["PATH"], os.defpath)))
    if found is not None:
        yield found


def _target(url: str) -> tuple[str, str]:
    """Take the password out of a URL; returns the rest as libpq reads it, and the password."""
    parts = conninfo.conninfo_to_dict(libpq_url(url))
    password = str(parts.pop("password", "") or "")
    return conninfo.make_conninfo("", **parts), password
