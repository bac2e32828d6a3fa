"""`/incidents`: one decision that ends many certificates, now or on a later day; `/alarms`."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import Call, needs
from api.idempotency import Answer, Attempt
from api.permissions import Action
from api.responses import problems
from api.schemas.incidents import AlarmOut, HitOut, IncidentIn, IncidentItemOut, IncidentOut
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode_id, page
from ca import incidents, publication_watch
from ca.incidents import Decision, Hit
from ca.models_publication import IncidentTarget

router = APIRouter(tags=["incidents"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Revoker = Annotated[Call, Depends(needs(Action.CERTIFICATE_REVOKE))]
KeyedRevoker = Annotated[Call, Depends(needs(Action.CERTIFICATE_REVOKE, keyed=True))]
AT_ONCE = 200
"""Certificates that are revoked before the answer is given; more are left to the worker."""


@router.post(
    "/incidents", status_code=201, responses=problems(404, 409, 503), response_model=IncidentOut
)
def decide(call: KeyedRevoker, body: IncidentIn) -> JSONResponse:
    """Revoke the certificates of a unit, person, post, device or list, now or on a later day.

    With `dry_run` the answer (status 200) only counts. Up to 200 certificates are revoked before
    the answer; more, and those of a later day, by the worker.
    """
    decision = body.decision()
    if body.dry_run:
        with call.transaction() as session:
            hit = _allowed(call, session, decision)
        return JSONResponse(HitOut.of(hit).model_dump(mode="json"))

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            hit = _allowed(call, session, decision)
            incident = incidents.decide(session, decision, at=call.at, actor=call.identity)
            answer = _answer(session, incident.id)
            attempt.finish(session, answer)
        if decision.effective_at is None and hit.certificates <= AT_ONCE:
            sessions, keys = call.wiring.sessions, call.wiring.keys
            incidents.carry_out(sessions, incident.id, keys=keys, at=call.at)
            with call.transaction() as session:
                answer = _answer(session, incident.id)
                attempt.finish(session, answer)
        return answer

    answer = call.once("incident.decide", body.model_dump(mode="json"), act=act)
    return JSONResponse(answer.body, status_code=answer.status)


@router.get("/incidents", responses=problems())
def listing(call: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[IncidentOut]:
    """List incidents, newest first; they may span units, so only with a role for the whole tree."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_READ, organization_id=None)
        rows = incidents.listing(session, limit=limit + 1, after=decode_id(cursor))
        counted = {row.id: incidents.progress(session, row.id) for row in rows}
        return page(
            rows,
            limit=limit,
            show=lambda row: IncidentOut.of(row, counted[row.id]),
            key=lambda row: str(row.id),
        )


@router.get("/incidents/{incident_id}", responses=problems(404))
def get(call: Reader, incident_id: uuid.UUID) -> IncidentOut:
    """Show an incident and how far it is."""
    with call.transaction() as session:
        row = incidents.get(session, incident_id)
        _require_units(call, session, incident_id, Action.REGISTRY_READ)
        return IncidentOut.of(row, incidents.progress(session, incident_id))


@router.get("/incidents/{incident_id}/certificates", responses=problems(404))
def certificates(
    call: Reader, incident_id: uuid.UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[IncidentItemOut]:
    """List the certificates of an incident with what became of each."""
    with call.transaction() as session:
        incidents.get(session, incident_id)
        _require_units(call, session, incident_id, Action.REGISTRY_READ)
        rows = incidents.items(session, incident_id, limit=limit + 1, after=decode_id(cursor))
        return page(
            rows,
            limit=limit,
            show=IncidentItemOut.of,
            key=lambda row: str(row.certificate_id),
        )


@router.post("/incidents/{incident_id}/cancel", responses=problems(404, 409))
def cancel(call: Revoker, incident_id: uuid.UUID) -> IncidentOut:
    """Call off a decision for a later day."""
    with call.transaction() as session:
        incidents.get(session, incident_id)
        _require_units(call, session, incident_id, Action.CERTIFICATE_REVOKE)
        row = incidents.cancel(session, incident_id, at=call.at, actor=call.identity)
        return IncidentOut.of(row, incidents.progress(session, incident_id))


@router.get("/alarms", responses=problems())
def alarms(call: Reader) -> list[AlarmOut]:
    """List what is about to run out, or has: lists, answers, certificates of our services."""
    with call.transaction() as session:
        return [AlarmOut.of(alarm) for alarm in publication_watch.open_alarms(session)]


def _allowed(call: Call, session: Session, decision: Decision) -> Hit:
    """Count what is hit, and refuse unless the caller may revoke all of it, and what comes."""
    if decision.target is IncidentTarget.ORGANIZATION and decision.target_id is not None:
        call.require(session, Action.CERTIFICATE_REVOKE, organization_id=decision.target_id)
    hit = incidents.dry_run(session, decision, at=call.at)
    for organization_id in hit.organization_ids:
        call.require(session, Action.CERTIFICATE_REVOKE, organization_id=organization_id)
    return hit


def _require_units(call: Call, session: Session, incident_id: uuid.UUID, action: Action) -> None:
    units = incidents.organization_ids(session, incident_id)
    for organization_id in units or {None}:
        call.require(session, action, organization_id=organization_id)


def _answer(session: Session, incident_id: uuid.UUID) -> Answer:
    row = incidents.get(session, incident_id)
    shown = IncidentOut.of(row, incidents.progress(session, incident_id))
    return Answer(status=201, body=shown.model_dump(mode="json"))
