"""The tables around a request: when it is due and who decides; and the calendar."""

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Date, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime


class DayKind(StrEnum):
    """What is unusual about a date."""

    HOLIDAY = "holiday"
    WORKING = "working"
    """A Saturday or Sunday that is worked in exchange for another day."""


class CalendarDay(Base):
    """A date that an operator has entered, or corrected; it overrides the built-in calendar."""

    __tablename__ = "calendar_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[DayKind]
    name: Mapped[str]
    source: Mapped[str]
    verified: Mapped[bool]
    """Whether whoever entered it has read the rule itself."""
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str]


class RequestRouting(Base):
    """Until when a request is to be done, and which organisation's people decide on it."""

    __tablename__ = "request_routings"

    request_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("certificate_requests.id"), primary_key=True
    )
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    working_days: Mapped[int]
    term_source: Mapped[str]
    decider_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    passed_up_by: Mapped[str | None]
    passed_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
