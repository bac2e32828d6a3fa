"""What every table shares: the declarative base, the type of times, the shape of ids.

Constraint names follow one convention, so a migration can name what it changes and a unique
violation can be told from another by its name.
"""

import secrets
import time
import uuid
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import DateTime, Dialect, Enum, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from db.errors_time import NaiveDatetime

NAMING_CONVENTION = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in time: TIMESTAMPTZ in the database, an aware UTC datetime in Python.

    Raises NaiveDatetime for a time without a zone, before anything is sent.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """Use the dialect's own TIMESTAMP WITH TIME ZONE."""
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Check the zone of a value on its way in."""
        del dialect
        return None if value is None else require_aware(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give every moment in UTC, whatever zone the connection speaks."""
        del dialect
        return None if value is None else value.astimezone(UTC)


def require_aware(value: datetime) -> datetime:
    """Return `value` in UTC; raise NaiveDatetime where it has no zone."""
    if value.tzinfo is None or value.utcoffset() is None:
        raise NaiveDatetime(f"{value.isoformat()} has no time zone")
    return value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base class of all tables.

    `datetime` columns are UtcDateTime without being told, and `StrEnum` columns are short text
    with a CHECK, so that a new value is a plain migration.
    """

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain dict
        datetime: UtcDateTime(),
        StrEnum: Enum(
            StrEnum,
            native_enum=False,
            create_constraint=True,
            length=64,
            values_callable=lambda kind: [member.value for member in kind],
        ),
    }


def uuid7() -> uuid.UUID:
    """Return a new id that sorts by its time of making (RFC 9562, section 5.7).

    The twelve bits after the milliseconds carry the fraction of the millisecond (section 6.2,
    method 3), so ids made by one process within a millisecond still sort; 62 bits are random.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    number = milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=number)
