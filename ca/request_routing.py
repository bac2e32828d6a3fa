"""What is known of a request beside its state: its steps, its due date, and who decides on it.

A request is due some working days after it was received; the terms are dated policy data with a
source. It is decided on in its own organisation, and whoever decides there may pass it up to the
unit above - one level, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ca import organizations, working_days
from ca.errors import RequestInvalid, RequestNotFound, TransitionNotAllowed
from ca.models import CertificateRequest, RequestKind, RequestState
from ca.models_requests import RequestRouting
from db import audit, bulk
from db.audit import AuditFilter

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Term:
    """In how many working days a request of some kinds is done, from when on, and who says so."""

    kinds: frozenset[RequestKind]
    working_days: int
    effective_from: datetime | None
    effective_to: datetime | None
    source: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a request: from which state to which, when, by whom, and why."""

    at: datetime
    actor: str
    came_from: str | None
    state: str
    note: str | None


MAX_STEPS: Final = 100
"""An honest request has six; one that is returned for ever is still shown from its end."""

_ISSUING: Final = frozenset({RequestKind.NEW, RequestKind.RENEW, RequestKind.CHANGE})
TERMS: Final = (
    Term(
        _ISSUING | {RequestKind.UNLOCK},
        3,
        None,
        None,
        "three working days, as commonly cited for Decree 68/2024/ND-CP; not read in the original, "
        "to be confirmed by the operator",
    ),
    Term(
        frozenset({RequestKind.REVOKE}),
        1,
        None,
        None,
        "within 12 to 24 hours of a valid request, as commonly cited for Decree 68/2024/ND-CP; not "
        "read in the original, to be confirmed by the operator",
    ),
)

_UNDONE: Final = (
    RequestState.RECEIVED,
    RequestState.APPROVED,
    RequestState.KEY_GENERATED,
    RequestState.ISSUED,
)
"""States of a request that is still owed; one that was returned waits for whoever asked."""
_DONE_WHEN_APPROVED: Final = (RequestKind.REVOKE, RequestKind.UNLOCK)


def receive(session: Session, request: CertificateRequest, *, at: datetime) -> None:
    """Route a request that comes before the deciders, also once more; called by `ca.requests`."""
    values = _received(session, request.kind, at)
    session.execute(
        insert(RequestRouting)
        .values(request_id=request.id, decider_id=request.organization_id, **values)
        .on_conflict_do_update(index_elements=[RequestRouting.request_id], set_=values)
    )
    session.get(RequestRouting, request.id, populate_existing=True)


def receive_many(
    session: Session,
    requests: Sequence[tuple[uuid.UUID, uuid.UUID]],
    *,
    kind: RequestKind,
    at: datetime,
) -> None:
    """Route new requests (id, organisation) of one kind that came together."""
    values = _received(session, kind, at)
    rows = [{"request_id": one, "decider_id": unit, **values} for one, unit in requests]
    bulk.insert(session, RequestRouting, rows)


def _received(session: Session, kind: RequestKind, at: datetime) -> dict[str, object]:
    term = next(
        one
        for one in TERMS
        if kind in one.kinds
        and (one.effective_from is None or one.effective_from <= at)
        and (one.effective_to is None or at < one.effective_to)
    )
    due = working_days.load(session).due(at, working_days=term.working_days)
    return {
        "received_at": at,
        "due_at": due.due_at,
        "working_days": term.working_days,
        "term_source": term.source,
    }


def steps(session: Session, request_id: uuid.UUID) -> list[Step]:
    """Return the steps of a request, in order, as the audit log has them."""
    where = AuditFilter(object_type="certificate_request", object_id=str(request_id))
    found = audit.list_entries(session, where=where, limit=MAX_STEPS)
    return [
        Step(
            at=entry.at,
            actor=entry.actor,
            came_from=_text(entry.before, "state"),
            state=entry.action.rpartition(".")[2],
            note=_text(entry.after, "note"),
        )
        for entry in reversed(found)
    ]


def routing(session: Session, request_id: uuid.UUID) -> RequestRouting | None:
    """Return when a request is due and who decides; None before it was received."""
    return session.get(RequestRouting, request_id)


def decider(session: Session, request: CertificateRequest) -> uuid.UUID:
    """Return the organisation whose people decide on a request."""
    found = session.get(RequestRouting, request.id)
    return found.decider_id if found is not None else request.organization_id


def pass_up(session: Session, request_id: uuid.UUID, *, at: datetime, actor: str) -> RequestRouting:
    """Let the unit above decide, one level up and once.

    Raises RequestNotFound, TransitionNotAllowed when it is not before the deciders, or
    RequestInvalid when there is nobody above or it was passed up before.
    """
    request = session.get(CertificateRequest, request_id)
    found = session.get(RequestRouting, request_id, with_for_update=True, populate_existing=True)
    if request is None or found is None:
        raise RequestNotFound(f"no received request {request_id}")
    if request.state is not RequestState.RECEIVED:
        raise TransitionNotAllowed(request.state.value, "passed_up")
    if found.passed_up_at is not None:
        raise RequestInvalid("a request is passed up one level, once", reason="passed_up")
    path = organizations.ancestors(session, found.decider_id)
    if len(path) < 2:  # noqa: PLR2004 -- the unit itself, and one above
        raise RequestInvalid("there is no unit above to decide", reason="nobody_above")
    found.decider_id, found.passed_up_by, found.passed_up_at = path[1].id, actor, at
    session.flush()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="certificate_request.pass_up",
        object_type="certificate_request",
        object_id=str(request_id),
        before={"decider_id": str(path[0].id)},
        after={"decider_id": str(path[1].id)},
    )
    return found


def is_overdue(request: CertificateRequest, routed: RequestRouting, *, at: datetime) -> bool:
    """Say whether a request is past its due date and still owed."""
    done = request.kind in _DONE_WHEN_APPROVED and request.state is RequestState.APPROVED
    return routed.due_at < at and request.state in _UNDONE and not done


def overdue(
    session: Session, *, at: datetime, under: uuid.UUID | None, limit: int
) -> list[tuple[CertificateRequest, RequestRouting]]:
    """Return up to `limit` requests that are past their due date, the oldest due first."""
    query = (
        select(CertificateRequest, RequestRouting)
        .join(RequestRouting, RequestRouting.request_id == CertificateRequest.id)
        .where(
            RequestRouting.due_at < at,
            CertificateRequest.state.in_(_UNDONE),
            ~(
                CertificateRequest.kind.in_(_DONE_WHEN_APPROVED)
                & (CertificateRequest.state == RequestState.APPROVED)
            ),
        )
        .order_by(RequestRouting.due_at, RequestRouting.request_id)
        .limit(limit)
    )
    if under is not None:
        query = query.where(CertificateRequest.organization_id.in_(organizations.subtree(under)))
    return [(row[0], row[1]) for row in session.execute(query)]


def _text(facts: Mapping[str, object] | None, name: str) -> str | None:
    value = (facts or {}).get(name)
    return None if value is None else str(value)
