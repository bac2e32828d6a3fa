"""Statements outside of any transaction block: one round trip, and one commit where it writes.

For what a request asks the database thousands of times a minute. A session costs four round trips
around each statement (test, begin, commit or roll back, and the statement) and builds it anew; here
a statement is prepared once for each connection and sent as it stands. What must change together is
one statement with several parts (`WITH … INSERT … SELECT`).

Values are adapted by psycopg and handed to libpq directly: a cursor for each statement would cost
three times the statement. A statement is written with `%s` for each value, and with no other `%`.

Connections are few and taken last-in-first-out, so the busy ones stay prepared and warm. Rules for
a caller: no `BEGIN`, no settings, nothing that outlives the statement.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

import psycopg
from psycopg import pq
from psycopg.adapt import PyFormat, Transformer

from db.errors import StatementFailed, ValueTaken
from db.session import connection_options, libpq_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import LiteralString

    from db.reads import Row

CONNECTIONS: Final = 8
"""At once in one process; a statement holds one for about a tenth of a millisecond."""

_DONE: Final = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK})


class _Link:
    """One connection, and what is prepared on it."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def close(self) -> None:
        self._connection.close()

    def run(self, sql: LiteralString, values: Sequence[object]) -> list[Row]:
        """Run a statement; raises psycopg's errors."""
        adapter = Transformer(self._connection)
        adapted = adapter.dump_sequence(values, [PyFormat.AUTO] * len(values))
        types = adapter.types or ()
        name = self._names.get((sql, types))
        if name is None:
            name = b"s%d" % len(self._names)
            self._done(self._pgconn.prepare(name, numbered(sql), types))
            self._names[sql, types] = name
        # None is NULL, which the driver takes and its annotation leaves out
        given = cast("Sequence[bytes]", adapted)
        answer = self._pgconn.exec_prepared(name, given, adapter.formats)
        self._done(answer)
        if not answer.nfields:
            return []
        adapter.set_pgresult(answer)
        return adapter.load_rows(0, answer.ntuples, tuple)

    def _done(self, answer: pq.abc.PGresult) -> None:
        if answer.status in _DONE:
            return
        if self._pgconn.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError("the connection was lost")
        raise psycopg.errors.error_from_result(answer)


@lru_cache(maxsize=256)
def numbered(sql: str) -> bytes:
    """Write a statement with `$1`, `$2`, … for each `%s`, as the server takes it."""
    first, *others = sql.split("%s")
    return (first + "".join(f"${n}{text}" for n, text in enumerate(others, 1))).encode()


class Direct:
    """Runs statements on connections of its own; threads share it."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self._url = libpq_url(url)
        self._idle: deque[_Link] = deque()
        self._places = threading.BoundedSemaphore(connections)
        self._closed = False

    def read(self, sql: LiteralString, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a statement that changes nothing; raises StatementFailed.

        A connection that was lost since its last use costs no failed request: a read is sent once
        more on a new one.
        """
        try:
            return self._run(sql, values)
        except StatementFailed:
            return self._run(sql, values)

    def write(self, sql: LiteralString, values: Sequence[object] = ()) -> list[Row]:
        """Run a statement that changes something, commit, and return its rows.

        Raises StatementFailed: then it may have happened or not, and what is asked again has to
        find that out; ValueTaken where a unique value is there already.
        """
        return self._run(sql, values)

    def close(self) -> None:
        """Close every connection; those in use are closed when they come back."""
        self._closed = True
        self._drop_idle()

    def _run(self, sql: LiteralString, values: Sequence[object]) -> list[Row]:
        try:
            with self._link() as link:
                return link.run(sql, values)
        except psycopg.errors.UniqueViolation as error:
            raise ValueTaken(str(error.diag.constraint_name)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise StatementFailed("the database does not answer") from error

    @contextmanager
    def _link(self) -> Iterator[_Link]:
        with self._places:
            link = self._taken()
            try:
                yield link
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # the server went away: the idle connections to it are as dead as this one
                link.close()
                self._drop_idle()
                raise
            finally:
                if link.closed or self._closed:
                    link.close()
                else:
                    self._idle.append(link)

    def _taken(self) -> _Link:
        try:
            return self._idle.pop()
        except IndexError:
            made = psycopg.connect(self._url, autocommit=True, **connection_options())
            return _Link(made)

    def _drop_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return
