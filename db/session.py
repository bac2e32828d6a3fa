"""Engines and sessions: the one way to reach PostgreSQL.

Sessions run at READ COMMITTED, PostgreSQL's own default: the audit log appends to whichever chain
is free at that moment, which a snapshot taken earlier could not see.
"""

import time
from typing import Final, TypedDict

from sqlalchemy import URL, Engine, PoolProxiedConnection, event, make_url
from sqlalchemy import create_engine as _create_engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from db.errors import DbError

DRIVER: Final = "postgresql+psycopg"

LOCK_TIMEOUT_S: Final = 30
"""A statement that waits this long for a lock is given up: a stuck peer must not stop everyone."""

IDLE_IN_TRANSACTION_TIMEOUT_S: Final = 300
"""A transaction left open this long is ended by the server, so its locks cannot outlive a crash."""

TRUSTED_S: Final = 1.0
"""A connection used this recently is taken as alive; a server takes longer to come back."""

_RETURNED: Final = "db.session.returned"


class ConnectionOptions(TypedDict):
    """What every connection is opened with, besides its URL."""

    options: str
    application_name: str


def create_engine(url: str, *, pool_size: int = 8) -> Engine:
    """Return an engine for a `postgresql://` or `postgresql+psycopg://` URL.

    `pool_size` connections are kept, and at most as many again are opened in a rush. Connections
    that rested for longer than a second are tested when taken from the pool, so a restart of the
    server costs no failed request; the first one that is found dead takes all others with it.

    Raises DbError where the URL is not one of PostgreSQL.
    """
    engine = _create_engine(
        sqlalchemy_url(url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_use_lifo=True,
        connect_args=connection_options(),
    )

    @event.listens_for(engine, "checkin")
    def note(connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        del connection
        entry.info[_RETURNED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def test(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        del proxy
        returned = entry.info.get(_RETURNED)
        if returned is None or time.monotonic() - returned < TRUSTED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError("the server went away") from error

    return engine


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


def connection_options() -> ConnectionOptions:
    """Return what libpq is to be given besides the URL."""
    idle = IDLE_IN_TRANSACTION_TIMEOUT_S
    return {
        "options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT_S}s"
        f" -c idle_in_transaction_session_timeout={idle}s",
        "application_name": "antin",
    }
