"""Asking the database one question, whoever holds the connection.

What a request asks thousands of times a minute is one statement without a session (`db.direct`);
commands and tests, which have sessions, ask the same statement through one of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from db.errors import StatementFailed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

    from sqlalchemy.orm import Session, sessionmaker

Row = tuple[Any, ...]


class Reads(Protocol):
    """Runs a statement that changes nothing."""

    def read(self, sql: LiteralString, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of what is committed in this moment; raises StatementFailed.

        The statement has `%s` for each value, and no other `%`.
        """


class SessionReads:
    """Reads through sessions, a new one for each question."""

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions

    def read(self, sql: LiteralString, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows of what is committed in this moment; raises StatementFailed."""
        try:
            with self._sessions() as session:
                found = session.connection().exec_driver_sql(sql, tuple(values))
                return [tuple(row) for row in found]
        except SQLAlchemyError as error:
            raise StatementFailed("the database does not answer") from error
