"""Engines and sessions: the one way to reach PostgreSQL.

Sessions run at READ COMMITTED, PostgreSQL's own default: the audit log appends to whichever chain
is free at that moment, which a snapshot taken earlier could not see.
"""

from typing import Final

from sqlalchemy import URL, Engine, make_url
from sqlalchemy import create_engine as _create_engine
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from db.errors import DbError

DRIVER: Final = "postgresql+psycopg"

LOCK_TIMEOUT_S: Final = 30
"""A statement that waits this long for a lock is given up: a stuck peer must not stop everyone."""

IDLE_IN_TRANSACTION_TIMEOUT_S: Final = 300
"""A transaction left open this long is ended by the server, so its locks cannot outlive a crash."""


def create_engine(url: str, *, pool_size: int = 8) -> Engine:
    """Return an engine for a `postgresql://` or `postgresql+psycopg://` URL.

    `pool_size` connections are kept, and at most as many again are opened in a rush. Connections
    are tested when taken from the pool, so a restart of the server costs no failed request.

    Raises DbError where the URL is not one of PostgreSQL.
    """
    return _create_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={"options": _options(), "application_name": "antin"},
    )


def session_factory(engine: Engine) -> sessionmaker[Session]:
    """Return the maker of sessions; objects stay readable after a commit."""
    return sessionmaker(engine, expire_on_commit=False)


def sqlalchemy_url(url: str) -> URL:
    """Return `url` with the driver that is installed; raise DbError for anything but PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError as e:
        raise DbError("the database URL cannot be read") from e
    if parsed.drivername not in {"postgresql", "postgres", DRIVER}:
        raise DbError(f"the database URL names {parsed.drivername}, not postgresql")
    return parsed.set(drivername=DRIVER)


def libpq_url(url: str) -> str:
    """Return `url` as libpq writes it: scheme `postgresql`, no driver, password included."""
    return sqlalchemy_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _options() -> str:
    return (
        f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_S}s"
        f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_S}s"
    )
