"""Much at once: rows inserted by COPY or updated from arrays, values too large for text.

All in the session's transaction. A statement for each row costs more in the driver and the ORM than
in the database. Column names are those of the model; members of an enum are written as their
values.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, cast

import psycopg
from psycopg import sql

from db.errors import StatementFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.orm import Session

    from db.base import Base


def insert(session: Session, model: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that all have the same columns; a violated constraint raises StatementFailed."""
    if not rows:
        return
    names = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(_table(model).name), sql.SQL(",").join(map(sql.Identifier, names))
    )
    try:
        with _driver(session).cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row([_plain(row[name]) for name in names])
    except psycopg.Error as error:
        raise StatementFailed(f"{_table(model).name}: {type(error).__name__}") from error


def update(
    session: Session, model: type[Base], rows: Sequence[Mapping[str, object]], *, key: str = "id"
) -> int:
    """Update the rows that have these keys, all in the same columns; how many there were."""
    if not rows:
        return 0
    names = list(rows[0])
    table = _table(model)
    dialect = session.get_bind().dialect
    types = [table.c[name].type.compile(dialect) for name in names]
    statement = sql.SQL("UPDATE {t} SET {sets} FROM unnest({arrays}) AS new({names}) WHERE {on}")
    query = statement.format(
        t=sql.Identifier(table.name),
        sets=sql.SQL(",").join(
            sql.SQL("{0} = new.{0}").format(sql.Identifier(name)) for name in names if name != key
        ),
        arrays=sql.SQL(",").join(sql.SQL("%s::{}[]").format(sql.SQL(kind)) for kind in types),
        names=sql.SQL(",").join(map(sql.Identifier, names)),
        on=sql.SQL("{0}.{1} = new.{1}").format(sql.Identifier(table.name), sql.Identifier(key)),
    )
    try:
        with _driver(session).cursor() as cursor:
            cursor.execute(query, [[_plain(row[name]) for row in rows] for name in names])
            return cursor.rowcount
    except psycopg.Error as error:
        raise StatementFailed(f"{table.name}: {type(error).__name__}") from error


def execute(session: Session, statement: str, values: Mapping[str, object]) -> int:
    """Run a statement of the caller's; how many rows it changed."""
    try:
        with _driver(session).cursor() as cursor:
            cursor.execute(statement.encode(), values)
            return cursor.rowcount
    except psycopg.Error as error:
        raise StatementFailed(f"writing: {type(error).__name__}") from error


def fetch(
    session: Session, statement: str, values: Mapping[str, object]
) -> list[tuple[object, ...]]:
    """Read rows in the binary protocol: a value of 50 MB travels as 50 MB."""
    try:
        with _driver(session).cursor(binary=True) as cursor:
            cursor.execute(statement.encode(), values)
            return cursor.fetchall()
    except psycopg.Error as error:
        raise StatementFailed(f"reading: {type(error).__name__}") from error


def _driver(session: Session) -> psycopg.Connection[tuple[object, ...]]:
    session.flush()
    found = session.connection().connection.driver_connection
    return cast("psycopg.Connection[tuple[object, ...]]", found)


def _table(model: type[Base]) -> Table:
    return cast("Table", model.__table__)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
