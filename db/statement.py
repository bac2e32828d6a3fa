"""One prepared statement on a connection of its own, asked from an event loop.

For a question that is asked thousands of times a second: no pool, no thread, no session. The
statement runs outside any transaction block, so every run sees all that was committed before it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from psycopg import OperationalError, pq

from db.errors import StatementFailed
from db.session import libpq_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGconn, PGresult

TIMEOUT_S: Final = 5.0
"""A database that does not answer within this time is taken for lost."""
_NAME: Final = b"asked"
_OPTIONS: Final = "-c timezone=UTC -c statement_timeout=4s"

Row = tuple[bytes | None, ...]


class Statement:
    """Runs its SQL again and again; one run at a time, on one event loop.

    After a failure the connection is dropped, and the next run opens another.
    """

    def __init__(self, url: str, sql: str) -> None:
        self._url = libpq_url(url)
        self._sql = sql.encode()
        self._connection: PGconn | None = None

    async def run(self, *values: bytes | None) -> list[Row]:
        """Run with these parameters in text form; raises StatementFailed."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                connection = self._connection or await self._connect()
                connection.send_query_prepared(_NAME, list(values))
                return _rows(await _result(connection))
        except (OperationalError, TimeoutError, OSError) as error:
            self.close()
            raise StatementFailed("the database does not answer") from error
        except BaseException:
            self.close()  # an answer may still be under way on this connection
            raise

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.finish()
            self._connection = None

    async def _connect(self) -> PGconn:
        connection = await asyncio.to_thread(self._opened)
        self._connection = connection
        return connection

    def _opened(self) -> PGconn:
        separator = "&" if "?" in self._url else "?"
        options = _OPTIONS.replace(" ", "%20").replace("=", "%3D")
        url = f"{self._url}{separator}options={options}&application_name=antin%20feed"
        connection = pq.PGconn.connect(url.encode())
        if connection.status != pq.ConnStatus.OK:
            raise OperationalError("no connection")
        prepared = connection.prepare(_NAME, self._sql)
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            message = prepared.error_message.decode(errors="replace")
            connection.finish()
            raise OperationalError(message)
        connection.nonblocking = 1
        return connection


async def _result(connection: PGconn) -> PGresult:
    loop = asyncio.get_running_loop()
    while connection.flush():
        await _until(loop, connection.socket, writable=True)
    answer: PGresult | None = None
    while True:
        if connection.is_busy():
            await _until(loop, connection.socket, writable=False)
            connection.consume_input()
            continue
        found = connection.get_result()
        if found is None:
            break
        answer = found
    if answer is None or answer.status != pq.ExecStatus.TUPLES_OK:
        raise OperationalError("no rows")
    return answer


async def _until(loop: asyncio.AbstractEventLoop, descriptor: int, *, writable: bool) -> None:
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    if writable:
        loop.add_writer(descriptor, wake)
    else:
        loop.add_reader(descriptor, wake)
    try:
        await ready
    finally:
        if writable:
            loop.remove_writer(descriptor)
        else:
            loop.remove_reader(descriptor)


def _rows(result: PGresult) -> list[Row]:
    columns: Sequence[int] = range(result.nfields)
    return [
        tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)
    ]
