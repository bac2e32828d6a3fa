"""Which revision the tables are at, and whether it is the newest; asked at each start and check.

Read from the migrations' own lines, since loading the tool that runs them takes longer than all the
rest of a start. `db.schema` runs them.
"""

import re
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

MIGRATIONS: Final = Path(__file__).resolve().parents[1] / "migrations"

_APPLIED: Final = text("SELECT version_num FROM alembic_version")
_IDENTITY: Final = re.compile(r'^(down_)?revision = (?:"([^"]+)"|None)$', re.MULTILINE)


@cache
def newest() -> tuple[str, ...]:
    """Return the revisions that no other one continues; read once, for the life of the process."""
    found: set[str] = set()
    continued: set[str] = set()
    for path in (MIGRATIONS / "versions").glob("*.py"):
        for down, name in _IDENTITY.findall(path.read_text(encoding="utf-8")):
            (continued if down else found).add(name)
    return tuple(sorted(found - continued))


def is_newest(session: Session) -> bool:
    """Whether the session's database has the tables this version of the service expects."""
    try:
        return tuple(sorted(session.scalars(_APPLIED))) == newest()
    except ProgrammingError:  # no table of revisions: nothing was ever migrated here
        return False
