"""Incidents: one decision that ends many certificates, at once or on a later day.

A subtree, a person, a device or a list of certificates is named; a dry run counts what it would
hit. The decision is stored with every certificate it is about before anything is revoked. Then
chunks of them are revoked, each in one transaction with everything that belongs to a revocation
(`ca.revoke`) and with its own note in the incident: whoever goes on after a crash finds exactly the
certificates that are left. When a decision for a later day comes due, certificates that the person
or unit has got since then are hit as well.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from ca import incident_targets, revoke
from ca.errors import TransitionNotAllowed
from ca.errors_publication import IncidentInvalid, IncidentNotFound
from ca.models import Certificate, CertificateStatus
from ca.models_publication import (
    Incident,
    IncidentItem,
    IncidentState,
    IncidentTarget,
    ItemState,
)
from ca.names import storable
from ca.revocation_reasons import RevocationReason
from db import audit, bulk, jobs
from db.base import uuid7
from hsm.providers import KeyStore

RUN_JOB: Final = "ca.run_incident"
CHUNK: Final = 50
"""Certificates revoked in one transaction: its locks are held for less than a second."""
MAX_AHEAD: Final = timedelta(days=366 * 5)
"""No certificate lives longer; ends of posts may be known earlier."""
_MAX_TEXT: Final = 2000
_IN_FORCE: Final = frozenset({CertificateStatus.ACTIVE, CertificateStatus.SUSPENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided: whose certificates end, why, and when (`effective_at` None: at once).

    `target_id` names the person, device or unit; `certificate_ids` the certificates of a list.
    """

    target: IncidentTarget
    reason: RevocationReason
    note: str
    target_id: uuid.UUID | None = None
    certificate_ids: tuple[uuid.UUID, ...] = ()
    invalidity_at: datetime | None = None
    effective_at: datetime | None = None
    document_reference: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """What a decision would revoke: counts, and the units whose certificates are among them."""

    certificates: int
    active: int
    suspended: int
    already_ended: int
    """Named, but revoked or run out already; only a list can name such."""
    by_kind: Mapping[str, int]
    organization_ids: frozenset[uuid.UUID]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an incident is."""

    waiting: int
    revoked: int
    skipped: int


def dry_run(session: Session, decision: Decision, *, at: datetime) -> Hit:
    """Count what a decision would hit now; nothing is changed. Raises as `decide` does."""
    _check(session, decision, at)
    named = select(
        Certificate.status,
        Certificate.kind,
        Certificate.organization_id,
        (Certificate.not_after <= at).label("expired"),
        func.count().label("number"),
    ).where(incident_targets.named(decision.target, decision.target_id, decision.certificate_ids))
    rows = session.execute(
        named.group_by(Certificate.status, Certificate.kind, Certificate.organization_id, "expired")
    ).all()
    live = [row for row in rows if row.status in _IN_FORCE and not row.expired]
    by_kind: dict[str, int] = {}
    for row in live:
        by_kind[row.kind.value] = by_kind.get(row.kind.value, 0) + row.number
    active = sum(row.number for row in live if row.status is CertificateStatus.ACTIVE)
    total = sum(row.number for row in live)
    return Hit(
        certificates=total,
        active=active,
        suspended=total - active,
        already_ended=sum(row.number for row in rows) - total,
        by_kind=by_kind,
        organization_ids=frozenset(row.organization_id for row in live),
    )


def decide(session: Session, decision: Decision, *, at: datetime, actor: str) -> Incident:
    """Store the decision with the certificates it is about, and enqueue its carrying out.

    Raises IncidentInvalid, or the NotFound error of what is named.
    """
    _check(session, decision, at)
    effective = decision.effective_at or at
    incident = Incident(
        id=uuid7(),
        target=decision.target,
        target_id=decision.target_id,
        state=IncidentState.PLANNED,
        reason=decision.reason,
        invalidity_at=decision.invalidity_at,
        note=decision.note,
        document_reference=decision.document_reference,
        effective_at=effective,
        created_at=at,
        created_by=actor,
    )
    session.add(incident)
    session.flush()
    added = _add_items(session, incident, decision.certificate_ids, at)
    if not added and decision.effective_at is None:
        raise IncidentInvalid("no certificate in force is named", reason="nothing_in_force")
    _enqueue(session, incident)
    _record(session, incident, "incident.decide", at=at, actor=actor, certificates=added)
    return incident


def cancel(session: Session, incident_id: uuid.UUID, *, at: datetime, actor: str) -> Incident:
    """Call a decision off before it is carried out; TransitionNotAllowed once it has begun."""
    incident = _locked(session, incident_id)
    if incident.state is not IncidentState.PLANNED:
        raise TransitionNotAllowed(incident.state.value, IncidentState.CANCELLED.value)
    incident.state, incident.cancelled_by = IncidentState.CANCELLED, actor
    session.flush()
    _record(session, incident, "incident.cancel", at=at, actor=actor)
    return incident


def carry_out(
    sessions: sessionmaker[Session], incident_id: uuid.UUID, *, keys: KeyStore, at: datetime
) -> Progress:
    """Revoke what is left of a due incident, chunk by chunk, each committed by itself.

    May be called again at any time, and by several processes at once.
    """
    if not _begin(sessions, incident_id, at):
        with sessions() as session:
            return progress(session, incident_id)
    while True:
        with sessions.begin() as session:
            incident = get(session, incident_id)
            if not _revoke_some(session, incident, keys=keys, at=at):
                break
    with sessions.begin() as session:
        return _finish(session, incident_id, at)


def due(session: Session, *, at: datetime) -> list[uuid.UUID]:
    """Return the incidents that are to be carried out, or to be gone on with."""
    states = (IncidentState.PLANNED, IncidentState.RUNNING)
    query = select(Incident.id).where(Incident.state.in_(states), Incident.effective_at <= at)
    return list(session.scalars(query.order_by(Incident.effective_at)))


def get(session: Session, incident_id: uuid.UUID) -> Incident:
    """Return the incident of that id; IncidentNotFound."""
    found = session.get(Incident, incident_id)
    if found is None:
        raise IncidentNotFound(f"no incident {incident_id}")
    return found


def listing(session: Session, *, limit: int, after: uuid.UUID | None = None) -> list[Incident]:
    """Return incidents, newest first, those before the id `after`."""
    query = select(Incident).order_by(Incident.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Incident.id < after)
    return list(session.scalars(query))


def items(
    session: Session, incident_id: uuid.UUID, *, limit: int, after: uuid.UUID | None = None
) -> list[IncidentItem]:
    """Return the certificates of an incident with what became of each, by their ids."""
    query = select(IncidentItem).where(IncidentItem.incident_id == incident_id)
    if after is not None:
        query = query.where(IncidentItem.certificate_id > after)
    return list(session.scalars(query.order_by(IncidentItem.certificate_id).limit(limit)))


def progress(session: Session, incident_id: uuid.UUID) -> Progress:
    """Count an incident's certificates by what became of them."""
    counted = select(IncidentItem.state, func.count()).where(
        IncidentItem.incident_id == incident_id
    )
    rows = session.execute(counted.group_by(IncidentItem.state)).all()
    found: dict[ItemState, int] = dict(rows)
    return Progress(*(found.get(state, 0) for state in ItemState))


def organization_ids(session: Session, incident_id: uuid.UUID) -> frozenset[uuid.UUID]:
    """Return the units that an incident's certificates belong to."""
    query = select(Certificate.organization_id).distinct()
    query = query.join(IncidentItem, IncidentItem.certificate_id == Certificate.id)
    return frozenset(session.scalars(query.where(IncidentItem.incident_id == incident_id)))


def _check(session: Session, decision: Decision, at: datetime) -> None:
    if decision.reason is RevocationReason.CERTIFICATE_HOLD:
        raise IncidentInvalid("certificate_hold suspends; it does not revoke", reason="hold")
    for text in (decision.note, decision.document_reference):
        if text is not None and (len(text) > _MAX_TEXT or not storable(text)):
            raise IncidentInvalid(
                f"a text has at most {_MAX_TEXT} characters, none of them NUL", reason="text"
            )
    if not decision.note.strip():
        raise IncidentInvalid(
            "a decision on many certificates needs its reason in words", reason="note_missing"
        )
    if decision.invalidity_at is not None and decision.invalidity_at > at:
        raise IncidentInvalid("the invalidity date lies in the future", reason="future")
    effective = decision.effective_at
    latest = effective if decision.target is IncidentTarget.POST else at + MAX_AHEAD
    if effective is not None and latest is not None and not at <= effective <= latest:
        raise IncidentInvalid(
            "a decision takes effect now, or within five years", reason="effective_at"
        )
    incident_targets.check(session, decision.target, decision.target_id, decision.certificate_ids)


def _add_items(
    session: Session, incident: Incident, listed: Sequence[uuid.UUID], at: datetime
) -> int:
    """Add the certificates in force that are named and not there yet; how many there were."""
    there = select(IncidentItem.certificate_id).where(IncidentItem.incident_id == incident.id)
    query = select(Certificate.id).where(
        incident_targets.named(incident.target, incident.target_id, listed),
        Certificate.status.in_(_IN_FORCE),
        Certificate.not_after > at,
        Certificate.id.not_in(there),
    )
    rows = [
        {"incident_id": incident.id, "certificate_id": found, "state": ItemState.WAITING}
        for found in session.scalars(query)
    ]
    bulk.insert(session, IncidentItem, rows)
    return len(rows)


def _begin(sessions: sessionmaker[Session], incident_id: uuid.UUID, at: datetime) -> bool:
    """Note that carrying out begins, and add what the target has got since the decision."""
    with sessions.begin() as session:
        incident = _locked(session, incident_id)
        if incident.state is IncidentState.PLANNED and incident.effective_at <= at:
            added = 0
            if incident.target is not IncidentTarget.LIST:
                added = _add_items(session, incident, (), at)
            incident.state = IncidentState.RUNNING
            session.flush()
            actor = incident.created_by
            _record(session, incident, "incident.begin", at=at, actor=actor, certificates=added)
        return incident.state is IncidentState.RUNNING


def _revoke_some(session: Session, incident: Incident, *, keys: KeyStore, at: datetime) -> int:
    """Revoke one chunk; how many items were taken. Those another process has are passed over."""
    chunk = (
        select(IncidentItem)
        .where(IncidentItem.incident_id == incident.id, IncidentItem.state == ItemState.WAITING)
        .order_by(IncidentItem.certificate_id)
        .limit(CHUNK)
        .with_for_update(skip_locked=True)
    )
    taken = {item.certificate_id: item for item in session.scalars(chunk)}
    locked = select(Certificate).where(Certificate.id.in_(taken)).order_by(Certificate.id)
    ended: list[Certificate] = []
    for row in session.scalars(locked.with_for_update(key_share=True)).all():
        item = taken[row.id]
        item.at = at
        if row.status not in _IN_FORCE:  # somebody else ended it meanwhile
            item.state, item.outcome = ItemState.SKIPPED, row.status.value
            continue
        invalidity_at = incident.invalidity_at
        revoke.revoke_unannounced(
            session,
            certificate_id=row.id,
            reason=incident.reason,
            invalidity_at=max(invalidity_at, row.not_before) if invalidity_at else None,
            keys=keys,
            at=at,
            actor=incident.created_by,
        )
        item.state = ItemState.REVOKED
        ended.append(row)
    session.flush()
    revoke.announce(session, ended)
    return len(taken)


def _finish(session: Session, incident_id: uuid.UUID, at: datetime) -> Progress:
    incident = _locked(session, incident_id)
    done = progress(session, incident_id)
    if incident.state is IncidentState.RUNNING and not done.waiting:
        incident.state, incident.finished_at = IncidentState.DONE, at
        session.flush()
        _record(
            session,
            incident,
            "incident.finish",
            at=at,
            actor=incident.created_by,
            certificates=done.revoked,
        )
    return done


def _enqueue(session: Session, incident: Incident) -> None:
    jobs.enqueue(
        session,
        job=RUN_JOB,
        payload={"incident_id": str(incident.id)},
        at=incident.effective_at,
        unique=str(incident.id),
    )


def _locked(session: Session, incident_id: uuid.UUID) -> Incident:
    found = session.get(Incident, incident_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise IncidentNotFound(f"no incident {incident_id}")
    return found


def _record(
    session: Session,
    incident: Incident,
    action: str,
    *,
    at: datetime,
    actor: str,
    certificates: int | None = None,
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="incident",
        object_id=str(incident.id),
        after={
            "state": incident.state.value,
            "target": incident.target.value,
            "target_id": str(incident.target_id) if incident.target_id else None,
            "reason": incident.reason.value,
            "effective_at": incident.effective_at.isoformat(),
            "note": incident.note,
            "certificates": certificates,
        },
    )
