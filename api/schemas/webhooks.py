"""What `/webhooks` takes and shows."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.models_webhooks import DeliveryState, Event, Webhook, WebhookDelivery
from api.schemas.lists import Schema
from api.webhooks import MAX_URL


class WebhookIn(Schema):
    """An address, and what it wants to be told of."""

    url: str = Field(max_length=MAX_URL)
    events: list[Event] = Field(min_length=1, max_length=len(Event))


class WebhookOut(BaseModel):
    """A webhook, without its secret."""

    id: uuid.UUID
    url: str
    events: list[Event]
    created_at: datetime
    created_by: str
    disabled_at: datetime | None

    @classmethod
    def of(cls, row: Webhook) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            url=row.url,
            events=[Event(event) for event in row.events],
            created_at=row.created_at,
            created_by=row.created_by,
            disabled_at=row.disabled_at,
        )


class WebhookMade(WebhookOut):
    """A webhook with its secret, which is shown this once."""

    secret: str


class DeliveryOut(BaseModel):
    """One event for one address; its id is the `webhook-id` of every attempt."""

    id: uuid.UUID
    event: str
    payload: dict[str, object]
    created_at: datetime
    state: DeliveryState
    attempts: int
    finished_at: datetime | None
    last_answer: str | None

    @classmethod
    def of(cls, row: WebhookDelivery) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            event=row.event,
            payload=row.payload,
            created_at=row.created_at,
            state=row.state,
            attempts=row.attempts,
            finished_at=row.finished_at,
            last_answer=row.last_answer,
        )
