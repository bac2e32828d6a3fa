"""What a table of requests reads from the registry and stores there; all with few statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Text, Uuid, select

from ca import import_values, request_routing, subscribers
from ca.import_problems import RowProblem, RowRefused
from ca.issue_rows import OrganizationFacts, SubscriberFacts
from ca.models import (
    CertificateRequest,
    Organization,
    RequestKind,
    RequestState,
    Subscriber,
    SubscriberKind,
)
from ca.names import fold
from db import audit, bulk
from db.bulk import one_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.profiles import Profile
    from ca.subscribers import SubscriberDetails


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that passed its own checks."""

    index: int
    number: int
    request_id: uuid.UUID
    spki_sha256: str
    csr: bytes
    subscriber_id: uuid.UUID


@dataclass(slots=True)
class Storing:
    """What is to be stored once every row has passed."""

    subscribers: list[tuple[uuid.UUID, SubscriberDetails]] = field(default_factory=list)
    requests: list[tuple[uuid.UUID, uuid.UUID, uuid.UUID, Profile, bytes]] = field(
        default_factory=list
    )
    """Request, subscriber, organisation, profile, CSR."""


@dataclass(slots=True)
class Known:
    """The units and holders that a table speaks of, as the registry knows them."""

    organizations: dict[str, Organization]
    people: dict[str, tuple[SubscriberFacts, uuid.UUID]]
    """By national id: the person, and where."""
    agencies: dict[uuid.UUID, SubscriberFacts]
    """By organisation: the holder that it is itself."""

    def organization(self, code: str, at: datetime) -> OrganizationFacts:
        """Find an open unit by its code; raises RowRefused."""
        unit = self.organizations.get(code)
        if unit is None:
            raise RowRefused(RowProblem("organization_unknown", "organization_code", code))
        if unit.active_to is not None and unit.active_to <= at:
            raise RowRefused(RowProblem("organization_closed", "organization_code", code))
        return OrganizationFacts(unit.id, unit.code, unit.name, unit.identifier)

    def holder(self, details: SubscriberDetails) -> SubscriberFacts | None:
        """Find a holder who is known; raises RowRefused where the table says something else."""
        if details.kind is SubscriberKind.ORGANIZATION:
            return self.agencies.get(details.organization_id)
        found = self.people.get(details.national_id or "")
        if found is None:
            return None
        person, where = found
        if fold(person.full_name) != fold(details.full_name):
            raise RowRefused(RowProblem("subscriber_differs", "national_id", person.full_name))
        if where != details.organization_id:
            raise RowRefused(RowProblem("subscriber_elsewhere", "organization_code"))
        return person

    def add(
        self, id_: uuid.UUID, details: SubscriberDetails, values: Mapping[str, object]
    ) -> SubscriberFacts:
        """Note a holder who is new, for the rows that follow."""
        made = SubscriberFacts(
            id=id_,
            kind=details.kind,
            full_name=str(values["full_name"]),
            given_name=_text(values["given_name"]),
            surname=_text(values["surname"]),
            post=_text(values["post"]),
        )
        if details.kind is SubscriberKind.ORGANIZATION:
            self.agencies[details.organization_id] = made
        else:
            self.people[details.national_id or ""] = (made, details.organization_id)
        return made


def known(session: Session, rows: Sequence[Mapping[str, str]]) -> Known:
    """Read what the registry knows of these rows' units and holders."""
    codes = list({row["organization_code"] for row in rows if "organization_code" in row})
    units = session.scalars(select(Organization).where(one_of(Organization.code, codes, Text())))
    by_code = {unit.code: unit for unit in units}
    people = select(Subscriber).where(one_of(Subscriber.national_id, _national_ids(rows), Text()))
    own = select(Subscriber).where(
        Subscriber.kind == SubscriberKind.ORGANIZATION,
        one_of(Subscriber.organization_id, [unit.id for unit in by_code.values()], Uuid()),
    )
    return Known(
        by_code,
        {
            one.national_id or "": (_facts(one), one.organization_id)
            for one in session.scalars(people)
        },
        {one.organization_id: _facts(one) for one in session.scalars(own.order_by(Subscriber.id))},
    )


def store(session: Session, storing: Storing, *, at: datetime, actor: str) -> None:
    """Store the new subscribers and all requests, as `ca.requests.submit` does one by one."""
    subscribers.create_many(session, rows=storing.subscribers, at=at, actor=actor)
    bulk.insert(
        session,
        CertificateRequest,
        [
            {
                "id": request_id,
                "kind": RequestKind.NEW,
                "state": RequestState.RECEIVED,
                "subscriber_id": subscriber_id,
                "organization_id": organization_id,
                "certificate_kind": profile.kind,
                "profile": profile.identifier,
                "csr": csr,
                "requested_by": actor,
                "requested_at": at,
            }
            for request_id, subscriber_id, organization_id, profile, csr in storing.requests
        ],
    )
    where = [(request_id, unit) for request_id, _, unit, _, _ in storing.requests]
    request_routing.receive_many(session, where, kind=RequestKind.NEW, at=at)
    for request_id, subscriber_id, _, profile, _ in storing.requests:
        audit.record(
            session,
            at=at,
            actor=actor,
            action=f"certificate_request.{RequestState.RECEIVED.value}",
            object_type="certificate_request",
            object_id=str(request_id),
            after={
                "state": RequestState.RECEIVED.value,
                "kind": RequestKind.NEW.value,
                "subscriber_id": str(subscriber_id),
                "profile": profile.identifier,
                "note": None,
            },
        )


def _national_ids(rows: Sequence[Mapping[str, str]]) -> list[str]:
    found = []
    for row in rows:
        try:
            found.append(import_values.national_id(row.get("national_id", "")))
        except RowRefused:
            continue  # told when the row is checked
    return found


def _facts(row: Subscriber) -> SubscriberFacts:
    return SubscriberFacts(row.id, row.kind, row.full_name, row.given_name, row.surname, row.post)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
