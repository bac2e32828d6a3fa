"""Subscribers, as `/subscribers` takes and shows them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.lists import Schema
from ca.models import Subscriber, SubscriberKind
from ca.subscribers import SubscriberDetails


class SubscriberIn(Schema):
    """A person with a post, or an organisation as a legal person."""

    kind: SubscriberKind = SubscriberKind.PERSON
    organization_id: uuid.UUID
    full_name: str
    given_name: str | None = None
    surname: str | None = None
    national_id: str | None = Field(default=None, description="Never written into a certificate")
    email: str | None = None
    post: str | None = None

    def details(self) -> SubscriberDetails:
        """Return it as the registry takes it."""
        return SubscriberDetails(
            kind=self.kind,
            organization_id=self.organization_id,
            full_name=self.full_name,
            given_name=self.given_name,
            surname=self.surname,
            national_id=self.national_id,
            email=self.email,
            post=self.post,
        )


class SubscriberOut(BaseModel):
    """A subscriber."""

    id: uuid.UUID
    kind: SubscriberKind
    organization_id: uuid.UUID
    full_name: str
    given_name: str | None
    surname: str | None
    national_id: str | None
    email: str | None
    post: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Subscriber) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            kind=row.kind,
            organization_id=row.organization_id,
            full_name=row.full_name,
            given_name=row.given_name,
            surname=row.surname,
            national_id=row.national_id,
            email=row.email,
            post=row.post,
            created_at=row.created_at,
        )
