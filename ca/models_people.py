"""The tables of people over time: posts, delegations, former names of units, custody of devices."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from ca.models import DeviceState
from db.base import Base, UtcDateTime, uuid7


class DelegationForm(StrEnum):
    """In which of the four ways somebody signs for somebody else (Decree 30/2020 article 13)."""

    TUQ = "tuq"
    """Thừa ủy quyền: delegated in writing, for a time and a matter, and no further."""
    TL = "tl"
    """Thừa lệnh: by order of the head, given to a unit below."""
    KT = "kt"
    """Ký thay: a deputy for the head."""
    TM = "tm"
    """Thay mặt: on behalf of a collective."""


class Post(Base):
    """That a person had a post in an organisation, from when to when."""

    __tablename__ = "posts"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at > began_at", "ends_after_it_began"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    subscriber_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subscribers.id"), index=True)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    title: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    document_reference: Mapped[str | None]
    """Number and symbol of the decision, such as 12/QĐ-UBND."""
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str]


class Delegation(Base):
    """That somebody may sign in another's place, for a time and a matter."""

    __tablename__ = "delegations"
    __table_args__ = (
        CheckConstraint("ended_at IS NULL OR ended_at > began_at", "ends_after_it_began"),
        CheckConstraint(
            "form <> 'tuq' OR (ended_at IS NOT NULL AND document_reference IS NOT NULL)",
            "in_writing_and_limited",
        ),
        CheckConstraint("form = 'tm' OR giver_id IS NOT NULL", "somebodys"),
        CheckConstraint("giver_id IS NULL OR giver_id <> taker_id", "of_two"),
        Index(None, "taker_id", "organization_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    form: Mapped[DelegationForm]
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    """In whose name is signed."""
    giver_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("subscribers.id"), index=True)
    taker_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("subscribers.id"))
    scope: Mapped[str]
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    document_reference: Mapped[str | None]
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str]


class FormerName(Base):
    """What a unit was called before, and until when."""

    __tablename__ = "organization_names"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    search_name: Mapped[str] = mapped_column(index=True)
    used_until: Mapped[datetime] = mapped_column(UtcDateTime)


class CustodyRecord(Base):
    """One step of a device: who gave it to whom, or what happened to it, by which minutes."""

    __tablename__ = "custody_records"
    __table_args__ = (Index(None, "device_id", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("devices.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    came_from: Mapped[str]
    state: Mapped[DeviceState]
    subscriber_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("subscribers.id"), index=True
    )
    """Who holds it after the step, or held it before when nobody does after."""
    minutes: Mapped[str | None]
    """Number of the minutes of the hand-over (biên bản bàn giao)."""
    given_by: Mapped[str | None]
    taken_by: Mapped[str | None]
    note: Mapped[str | None]
    actor: Mapped[str]
