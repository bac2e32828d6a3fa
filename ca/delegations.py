"""Who may sign in another's place: TUQ., TL., KT. and TM., for a time and a matter.

After Decree 30/2020/ND-CP article 13: a delegation (TUQ.) is in writing, limited in time and
content, and whoever received it does not pass it on. A deputy (KT.) signs for the head of the same
unit; an order (TL.) goes to a unit below; TM. stands for a collective and has no giver.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select

from ca import organizations, periods, posts, subscribers
from ca.errors_registry import DelegationInvalid, DelegationNotFound
from ca.models import SubscriberKind
from ca.models_people import Delegation, DelegationForm
from ca.names import storable
from db.audited import Audited
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from sqlalchemy.orm import Session

MAX_SCOPE: Final = 1000


@dataclass(frozen=True)
class DelegationDetails:
    """A delegation; `organization_id` is in whose name is signed."""

    form: DelegationForm
    organization_id: uuid.UUID
    taker_id: uuid.UUID
    scope: str
    began_at: datetime
    giver_id: uuid.UUID | None = None
    ended_at: datetime | None = None
    document_reference: str | None = None


def give(session: Session, *, details: DelegationDetails, at: datetime, actor: str) -> Delegation:
    """Record a delegation; raise DelegationInvalid with the rule that it breaks."""
    organizations.get(session, details.organization_id)
    _check_form(details)
    _check_persons(session, details)
    made = Delegation(
        id=uuid7(),
        form=details.form,
        organization_id=details.organization_id,
        giver_id=details.giver_id,
        taker_id=details.taker_id,
        scope=details.scope.strip(),
        began_at=details.began_at,
        ended_at=details.ended_at,
        document_reference=details.document_reference,
        recorded_at=at,
        recorded_by=actor,
    )
    session.add(made)
    session.flush()
    _DELEGATIONS.record(session, made, "delegation.give", at=at, actor=actor)
    return made


def withdraw(session: Session, delegation_id: uuid.UUID, *, at: datetime, actor: str) -> Delegation:
    """End a delegation at once; what was signed under it stays signed."""
    found = session.get(Delegation, delegation_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise DelegationNotFound(f"no delegation {delegation_id}")
    if found.withdrawn_at is not None or (found.ended_at is not None and found.ended_at <= at):
        raise DelegationInvalid("period", "the delegation has ended already")
    found.withdrawn_at = at
    session.flush()
    _DELEGATIONS.record(session, found, "delegation.withdraw", at=at, actor=actor)
    return found


def get(session: Session, delegation_id: uuid.UUID) -> Delegation:
    """Return the delegation of that id."""
    found = session.get(Delegation, delegation_id)
    if found is None:
        raise DelegationNotFound(f"no delegation {delegation_id}")
    return found


def in_force(
    session: Session,
    *,
    taker_id: uuid.UUID,
    at: datetime,
    organization_id: uuid.UUID | None = None,
) -> list[Delegation]:
    """Return what a person may sign in others' place at a time."""
    query = select(Delegation).where(
        Delegation.taker_id == taker_id,
        periods.running_at(Delegation, at),
        or_(Delegation.withdrawn_at.is_(None), Delegation.withdrawn_at > at),
    )
    if organization_id is not None:
        query = query.where(Delegation.organization_id == organization_id)
    return list(session.scalars(query.order_by(Delegation.id)))


def listing(
    session: Session, *, under: uuid.UUID | None, limit: int, before: uuid.UUID | None = None
) -> list[Delegation]:
    """Return up to `limit` delegations of a subtree, newest first."""
    query = select(Delegation).order_by(Delegation.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Delegation.id < before)
    if under is not None:
        query = query.where(Delegation.organization_id.in_(organizations.subtree(under)))
    return list(session.scalars(query))


def _check_form(details: DelegationDetails) -> None:
    scope, reference = details.scope.strip(), details.document_reference
    if not 0 < len(scope) <= MAX_SCOPE or not storable(scope):
        raise DelegationInvalid("scope", f"a matter of at most {MAX_SCOPE} characters")
    if details.ended_at is not None and details.ended_at <= details.began_at:
        raise DelegationInvalid("period", "it ends after it began")
    if not periods.reference_fits(reference):
        raise DelegationInvalid("document_reference", f"at most {periods.MAX_REFERENCE} characters")
    if details.form is not DelegationForm.TUQ:
        return
    if details.ended_at is None:
        raise DelegationInvalid("period", "TUQ. is limited in time")
    if reference is None:
        raise DelegationInvalid("document_reference", "TUQ. is given in writing")


def _check_persons(session: Session, details: DelegationDetails) -> None:
    taker = subscribers.get(session, details.taker_id)
    if taker.kind is not SubscriberKind.PERSON:
        raise DelegationInvalid("self", "only a person signs in another's place")
    if details.form is DelegationForm.TM:
        _require_post(session, details.taker_id, details)
        return
    if details.giver_id is None or details.giver_id == details.taker_id:
        raise DelegationInvalid("self", "a delegation has a giver and a taker, two persons")
    subscribers.get(session, details.giver_id)
    _require_post(session, details.giver_id, details)
    if details.form is DelegationForm.KT:
        _require_post(session, details.taker_id, details)
    if details.form is DelegationForm.TL:
        held = posts.holding(session, details.taker_id, at=details.began_at)
        path = {
            unit.id
            for post in held
            for unit in organizations.ancestors(session, post.organization_id)
        }
        if details.organization_id not in path:
            raise DelegationInvalid("same_unit", "TL. is given to a unit below, or to the same")


def _require_post(session: Session, person_id: uuid.UUID, details: DelegationDetails) -> None:
    """Refuse a person without a post there, and a giver who only has the matter TUQ. himself."""
    held = posts.holding(
        session, person_id, at=details.began_at, organization_id=details.organization_id
    )
    received = in_force(
        session, taker_id=person_id, at=details.began_at, organization_id=details.organization_id
    )
    if person_id == details.giver_id and not held:
        if any(one.form is DelegationForm.TUQ for one in received):
            raise DelegationInvalid("sub_delegation", "what was received TUQ. is not passed on")
        raise DelegationInvalid("not_in_post", "the giver has no post there at that time")
    if not held:
        raise DelegationInvalid("not_in_post", "the taker has no post there at that time")
    if any(
        one.form is DelegationForm.TUQ and one.scope.casefold() == details.scope.strip().casefold()
        for one in received
        if person_id == details.giver_id
    ):
        raise DelegationInvalid("sub_delegation", "this matter was itself received TUQ.")


def _facts(delegation: Delegation) -> dict[str, object]:
    return {
        "form": delegation.form.value,
        "organization_id": str(delegation.organization_id),
        "giver_id": str(delegation.giver_id) if delegation.giver_id else None,
        "taker_id": str(delegation.taker_id),
        "scope": delegation.scope,
        "began_at": delegation.began_at.isoformat(),
        "ended_at": delegation.ended_at.isoformat() if delegation.ended_at else None,
        "document_reference": delegation.document_reference,
    }


_DELEGATIONS: Final = Audited("delegation", _facts)
