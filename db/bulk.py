"""Much at once: rows inserted by COPY, statements over arrays, values too large for text.

All in the session's transaction. A statement for each row costs more in the driver and the ORM than
in the database. Column names are those of the model; members of an enum are written as their
values.
"""

from __future__ import annotations

import functools
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
from psycopg import sql
from sqlalchemy import ARRAY, TypeDecorator, func, literal, types

from db.errors import StatementFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, ColumnExpressionArgument, Table
    from sqlalchemy.orm import Session
    from sqlalchemy.types import TypeEngine

    from db.base import Base


def insert(session: Session, model: type[Base], rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows that all have the same columns; a violated constraint raises StatementFailed."""
    if not rows:
        return
    names = tuple(rows[0])
    statement, kinds = _copy(_table(model), names)
    try:
        with _driver(session).cursor() as cursor, cursor.copy(statement) as copy:
            if kinds:
                copy.set_types(kinds)
            for row in rows:
                copy.write_row([_plain(row[name]) for name in names])
    except psycopg.Error as error:
        raise StatementFailed(f"{_table(model).name}: {type(error).__name__}") from error


def one_of(
    column: ColumnExpressionArgument[Any], values: Sequence[object], kind: TypeEngine[Any]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of these values: one array, however many."""
    return cast("ColumnElement[bool]", column == func.any(literal(list(values), ARRAY(kind))))


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


@functools.lru_cache(maxsize=32)
def _copy(table: Table, names: tuple[str, ...]) -> tuple[sql.Composed, list[str]]:
    """Write a statement once; composing it costs more than sending it.

    Binary where the types of all columns are known here: neither side then writes or reads text.
    """
    listed = sql.SQL(",").join(map(sql.Identifier, names))
    copied = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table.name), listed)
    kinds = [_type(table.columns[name].type) for name in names]
    if not all(kinds):
        return copied, []
    return copied + sql.SQL(" (FORMAT BINARY)"), kinds


def _type(kind: TypeEngine[Any]) -> str:
    """Name a column's type for the driver; empty for those that are left to the text format."""
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return next((name for known, name in _TYPES if isinstance(kind, known)), "")


_TYPES: Final[tuple[tuple[type[TypeEngine[Any]], str], ...]] = (
    (types.Uuid, "uuid"),
    (types.String, "text"),
    (types.DateTime, "timestamptz"),
    (types.LargeBinary, "bytea"),
    (types.SmallInteger, "int2"),
    (types.BigInteger, "int8"),
    (types.Integer, "int4"),
)


def _driver(session: Session) -> psycopg.Connection[tuple[object, ...]]:
    session.flush()
    found = session.connection().connection.driver_connection
    return cast("psycopg.Connection[tuple[object, ...]]", found)


def _table(model: type[Base]) -> Table:
    return cast("Table", model.__table__)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
