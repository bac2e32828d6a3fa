"""The tables of notices: where they go, and each that was made, so that none is made twice."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class ChannelKind(StrEnum):
    """How a notice travels."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class NoticeState(StrEnum):
    """What became of a notice."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given_up"


class NoticeChannel(Base):
    """Where the clerk or the manager of a part of the tree gets the notices about it."""

    __tablename__ = "notice_channels"
    __table_args__ = (UniqueConstraint("organization_id", "kind", "target"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id"))
    kind: Mapped[ChannelKind]
    target: Mapped[str]
    """An e-mail address or an http(s) address."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str]


class Notice(Base):
    """That a certificate ends within so many days, told to one address, once."""

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("certificate_id", "threshold", "kind", "target"),
        Index(
            "notices_waiting_idx",
            "kind",
            "target",
            postgresql_where=text("state = 'waiting'"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    certificate_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("certificates.id"))
    threshold: Mapped[int]
    """Days before the end."""
    kind: Mapped[ChannelKind]
    target: Mapped[str]
    state: Mapped[NoticeState]
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    next_try_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_problem: Mapped[str | None]
