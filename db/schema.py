"""Bring the tables to a revision, and say which one they are at.

The revisions themselves are in `migrations/`; this is the way to run them from Python. Processes
that start together may all call `upgrade`: one migrates, the others wait and find it done.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from db.base import Base
from db.errors import SchemaError
from db.revision import MIGRATIONS
from db.session import create_engine

# Alembic keeps the running migration in a global of its own.
_one_at_a_time: Final = threading.Lock()


def upgrade(url: str, revision: str = "heads") -> None:
    """Bring the database at `url` forward to `revision`; raise SchemaError, nothing changed."""
    with _one_at_a_time, _as_schema_error():
        command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to `revision` ("base": no tables); rows of dropped tables are lost."""
    with _one_at_a_time, _as_schema_error():
        command.downgrade(_config(url), revision)


def current(url: str) -> tuple[str, ...]:
    """Return the revisions the database is at: none before the first `upgrade`."""
    with _as_schema_error(), _connected(url) as connection:
        return tuple(sorted(MigrationContext.configure(connection).get_current_heads()))


def latest() -> tuple[str, ...]:
    """Return the revisions `upgrade` goes to."""
    with _as_schema_error():
        return tuple(sorted(ScriptDirectory.from_config(_config("")).get_heads()))


def is_current(url: str) -> bool:
    """Whether the database at `url` has the tables this version of the service expects."""
    return current(url) == latest()


def drift(url: str) -> list[str]:
    """Return the differences between the tables in the database and in the imported models."""
    with _as_schema_error(), _connected(url) as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return [str(difference) for difference in compare_metadata(context, Base.metadata)]


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["url"] = url
    return config


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _as_schema_error() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, CommandError) as e:
        raise SchemaError(f"the tables could not be migrated: {e}") from e
