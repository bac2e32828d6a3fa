"""Due dates, steps and the calendar, as the calls take and show them."""

import uuid
from datetime import date, datetime
from typing import Self

from pydantic import BaseModel, ConfigDict

from api.schemas.certificates import RequestOut
from api.schemas.lists import Schema
from ca.models import CertificateRequest
from ca.models_requests import DayKind, RequestRouting
from ca.request_routing import Step
from ca.working_days import Day


class RoutingOut(BaseModel):
    """When a request is due, and who decides on it."""

    model_config = ConfigDict(from_attributes=True)

    request_id: uuid.UUID
    received_at: datetime
    due_at: datetime
    working_days: int
    term_source: str
    decider_id: uuid.UUID
    passed_up_by: str | None
    passed_up_at: datetime | None

    @classmethod
    def of(cls, row: RequestRouting) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class StepOut(BaseModel):
    """One step of a request."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    actor: str
    came_from: str | None
    state: str
    note: str | None

    @classmethod
    def of(cls, row: Step) -> Self:
        """Show a step."""
        return cls.model_validate(row)


class RequestHistoryOut(BaseModel):
    """What happened to a request, and what is still owed."""

    routing: RoutingOut | None
    overdue: bool
    steps: list[StepOut]


class OverdueOut(BaseModel):
    """A request past its due date."""

    request: RequestOut
    routing: RoutingOut

    @classmethod
    def of(cls, pair: tuple[CertificateRequest, RequestRouting]) -> Self:
        """Show a request and when it was due."""
        return cls(request=RequestOut.of(pair[0]), routing=RoutingOut.of(pair[1]))


class DayIn(Schema):
    """A date that is unusual."""

    kind: DayKind
    name: str
    source: str
    verified: bool = False

    def known(self) -> Day:
        """Return it as the registry takes it."""
        return Day(self.kind, self.name, self.source, self.verified)


class DayOut(BaseModel):
    """A date that is unusual, with where that was learned."""

    day: date
    kind: DayKind
    name: str
    source: str
    verified: bool

    @classmethod
    def of(cls, day: date, known: Day) -> Self:
        """Show a date."""
        return cls(
            day=day,
            kind=known.kind,
            name=known.name,
            source=known.source,
            verified=known.verified,
        )
