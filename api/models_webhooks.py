"""The tables of webhooks: who wants to be told of what, and what has to be delivered to whom.

Deliveries are written by triggers (`migrations/versions/0014_webhooks.py`), in the transaction that
makes the event.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ARRAY, JSON, BigInteger, ForeignKey, Identity, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, UtcDateTime, uuid7


class Event(StrEnum):
    """What can be told."""

    SIGNED = "sign.signed"
    ISSUED = "certificate.issued"
    SUSPENDED = "certificate.suspended"
    RESTORED = "certificate.restored"
    REVOKED = "certificate.revoked"


class DeliveryState(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class Webhook(Base):
    """An address that is told of events; its secret is computed, not stored."""

    __tablename__ = "webhooks"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    url: Mapped[str]
    events: Mapped[list[str]] = mapped_column(ARRAY(String))
    salt: Mapped[str]
    """Goes into the secret; another salt makes another secret."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str]
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WebhookDelivery(Base):
    """One event to be told to one address."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index(None, "webhook_id", "number"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True), unique=True)
    """In the order of their making."""
    webhook_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhooks.id"))
    event: Mapped[str]
    payload: Mapped[dict[str, object]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    state: Mapped[DeliveryState]
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    last_answer: Mapped[str | None]
    """What the last attempt met: a status, or what went wrong."""
