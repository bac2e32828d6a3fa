"""A PostgreSQL server of our own, for an installation that has none.

One directory holds it all: `data/` (the cluster), `access.json` (passwords and socket folder, mode
0600), `socket/`, and two lock files. The server listens on a Unix socket only; where the path of
the directory is too long for one, the socket lies in a private folder below /tmp. Two roles exist:
`antin`, who owns the database, and `postgres`, the superuser, used for set-up, backup and repair.
Being no superuser, the service itself cannot switch off the triggers of the audit log.

The process that starts the server owns it: it holds `owner.lock` until `stop()` or its end, however
violent. Any other process calling `start()` meanwhile gets the URL and cannot stop the server. A
server left behind by a killed owner is adopted by the next one. Other processes need only the URL.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import sql

from db.cluster import Access, Cluster
from db.errors import DirectoryUnusable, ServerFailed
from db.file_lock import FileLock

_log = logging.getLogger(__name__)

DATABASE: Final = "antin"
START_TIMEOUT_S: Final = 180
"""Long enough for crash recovery of a busy server, and for another process's first start."""

_RETRY_S: Final = 0.1
_ANSWER_TIMEOUT_S: Final = 10


class EmbeddedPostgres:
    """The embedded server of `directory`; also a context manager around start and stop.

    `settings` are server settings (postgresql.conf names) added to ours.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self._settings = dict(settings or {})
        self._owner_lock = FileLock(self.directory / "owner.lock")
        self._access: Access | None = None
        self._owner_pid = 0

    @property
    def url(self) -> str:
        """URL of the service's database; raises ServerFailed before `start()`."""
        return self._require_access().url("antin", database=DATABASE)

    @property
    def superuser_url(self) -> str:
        """URL of the same database for the superuser: set-up, backup and repair only."""
        return self._require_access().url("postgres", database=DATABASE)

    @property
    def owned(self) -> bool:
        """Whether this object owns the running server, and so will stop it."""
        return self._owner_pid == os.getpid() and self._owner_lock.held

    def start(self) -> str:
        """Start the server, or join the one that runs, and return the database's URL.

        Raises EmbeddedPostgresError.
        """
        self._make_directory()
        with self._exclusive():
            was_owned = self.owned
            try:
                self._access = self._join_or_start()
            except BaseException:
                if not was_owned:
                    self._owner_lock.release()
                raise
        return self.url

    def stop(self) -> None:
        """Stop the server if this object owns it; otherwise do nothing."""
        if not self.owned:
            return
        with self._exclusive():
            Cluster.open(self.directory, settings=self._settings).stop()
            self._owner_lock.release()
        self._owner_pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _join_or_start(self) -> Access:
        cluster = Cluster.open(self.directory, settings=self._settings)
        if not self._owner_lock.held and self._owner_lock.acquire(timeout=0):
            self._owner_pid = os.getpid()
        began, started = time.monotonic(), False
        while True:
            if not cluster.is_reachable():
                cluster.stop()
                cluster.start()
                started = True
            try:
                _create_database(cluster.access)
            except psycopg.OperationalError as e:
                if time.monotonic() - began < _patience(e):
                    time.sleep(_RETRY_S)  # it may be dying: then the next look finds it gone
                    continue
                if started:
                    cluster.stop()
                raise ServerFailed(f"the embedded server does not answer: {e}") from e
            return cluster.access

    def _require_access(self) -> Access:
        if self._access is None:
            raise ServerFailed("the embedded server was not started")
        return self._access

    def _make_directory(self) -> None:
        try:
            self.directory.parent.mkdir(parents=True, exist_ok=True)
            self.directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as e:
            raise DirectoryUnusable(f"{self.directory} cannot be made") from e

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold off every other start and stop in this directory."""
        lock = FileLock(self.directory / "start.lock")
        if not lock.acquire(timeout=START_TIMEOUT_S):
            raise ServerFailed("another process has been starting the server for too long")
        try:
            yield
        finally:
            lock.release()


def _patience(refusal: psycopg.OperationalError) -> float:
    """Seconds worth waiting after a refused connection; its only mark is the server's text."""
    if "password" in str(refusal):
        return 0
    # "... is starting up", "... is in recovery mode": another process's server after a crash
    return START_TIMEOUT_S if "the database system is" in str(refusal) else _ANSWER_TIMEOUT_S


def _create_database(access: Access) -> None:
    """Make the role and the database where they are missing."""
    url = access.url("postgres", database="postgres")
    with psycopg.connect(url, autocommit=True) as connection:
        _create_role(connection, access)


def _create_role(connection: psycopg.Connection[tuple[object, ...]], access: Access) -> None:
    name = sql.Identifier(DATABASE)
    found = connection.execute(
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = %(n)s),"
        " (SELECT count(*) FROM pg_database WHERE datname = %(n)s)",
        {"n": DATABASE},
    ).fetchone()
    roles, databases = found or (0, 0)
    if not roles:
        secret = sql.Literal(access.service_password)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, secret))
    if not databases:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
