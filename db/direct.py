"""Statements outside of any transaction block: one round trip, and one commit where it writes.

For what a request asks the database thousands of times a minute. A session costs four round trips
around each statement (test, begin, commit or roll back, and the statement) and builds it anew; here
a statement is prepared once for each connection and sent as it stands. What must change together is
one statement with several parts (`WITH … INSERT … SELECT`).

Connections are few and taken last-in-first-out, so the busy ones stay prepared and warm. Rules for
a caller: no `BEGIN`, no settings, nothing that outlives the statement.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg

from db.errors import StatementFailed, ValueTaken
from db.session import connection_options, libpq_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import LiteralString

CONNECTIONS: Final = 8
"""At once in one process; a statement holds one for about a tenth of a millisecond."""

Row = tuple[Any, ...]


class Direct:
    """Runs statements on connections of its own; threads share it."""

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        self._url = libpq_url(url)
        self._idle: deque[psycopg.Connection[Row]] = deque()
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
            with self._connection() as connection:
                cursor = connection.execute(sql, values, prepare=True)
                return cursor.fetchall() if cursor.description is not None else []
        except psycopg.errors.UniqueViolation as error:
            raise ValueTaken(str(error.diag.constraint_name)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise StatementFailed("the database does not answer") from error

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Row]]:
        with self._places:
            connection = self._taken()
            try:
                yield connection
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # the server went away: the idle connections to it are as dead as this one
                connection.close()
                self._drop_idle()
                raise
            finally:
                if connection.closed or self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    def _taken(self) -> psycopg.Connection[Row]:
        try:
            return self._idle.pop()
        except IndexError:
            return psycopg.connect(self._url, autocommit=True, **connection_options())

    def _drop_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return
