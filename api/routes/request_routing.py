"""Due dates, steps, forms and the way up of `/certificate-requests`; `/calendar`."""

import uuid
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.request_paper import RequestFile, request_pdf
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Limit, Page
from api.schemas.request_routing import (
    DayIn,
    DayOut,
    OverdueOut,
    RequestHistoryOut,
    RoutingOut,
    StepOut,
)
from ca import (
    devices,
    organizations,
    registry,
    request_routing,
    requests,
    subscribers,
    working_days,
)
from ca.request_routing import pass_up

router = APIRouter(tags=["certificate requests"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Decider = Annotated[Call, Depends(needs(Action.REQUEST_DECIDE))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]


@router.get("/certificate-requests/overdue", responses=problems())
def overdue(
    call: Reader, under: uuid.UUID | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[OverdueOut]:
    """List the requests that are past their due date, the oldest due first."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        found = request_routing.overdue(session, at=call.at, under=scope, limit=limit)
        return Page(items=[OverdueOut.of(pair) for pair in found])


@router.get("/certificate-requests/{request_id}/history", responses=problems(404))
def history(call: Reader, request_id: uuid.UUID) -> RequestHistoryOut:
    """Show what happened to a request, when it is due and who decides."""
    with call.transaction() as session:
        row = requests.get(session, request_id)
        call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
        found = request_routing.routing(session, request_id)
        return RequestHistoryOut(
            routing=RoutingOut.of(found) if found is not None else None,
            overdue=found is not None and request_routing.is_overdue(row, found, at=call.at),
            steps=[StepOut.of(one) for one in request_routing.steps(session, request_id)],
        )


@router.post("/certificate-requests/{request_id}/pass-up", responses=problems(404, 409))
def up(call: Decider, request_id: uuid.UUID) -> RoutingOut:
    """Let the unit above decide: one level, once."""
    with call.transaction() as session:
        row = requests.get(session, request_id)
        call.require(session, Action.REQUEST_DECIDE, organization_id=row.organization_id)
        return RoutingOut.of(pass_up(session, request_id, at=call.at, actor=call.identity))


@router.get(
    "/certificate-requests/{request_id}/form",
    response_class=Response,
    responses={**problems(404), 200: {"content": {"application/pdf": {}}}},
)
def form(call: Reader, request_id: uuid.UUID) -> Response:
    """Get the request form as a PDF, filled from the registry."""
    with call.transaction() as session:
        row = requests.get(session, request_id)
        call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
        file = RequestFile(
            request=row,
            subscriber=subscribers.get(session, row.subscriber_id),
            organization=organizations.get(session, row.organization_id),
            device=devices.get(session, row.device_id) if row.device_id else None,
            certificate=(registry.get(session, row.certificate_id) if row.certificate_id else None),
            routing=request_routing.routing(session, request_id),
        )
        content = request_pdf(file, made_at=call.at)
    headers = {"Content-Disposition": f'attachment; filename="de-nghi-{request_id}.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


@router.get("/calendar/{year}", responses=problems())
def calendar(call: Reader, year: Annotated[int, Path(ge=2000, le=2200)]) -> Page[DayOut]:
    """List the holidays and the worked week-ends of a year, each with its source."""
    with call.transaction() as session:
        found = working_days.year(session, year)
        return Page(items=[DayOut.of(day, known) for day, known in found])


@router.put("/calendar/days/{day}", responses=problems())
def enter(call: Writer, day: date, body: DayIn) -> DayOut:
    """Enter or correct a date; due dates of requests received from now on follow it."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        working_days.enter(session, day, known=body.known(), at=call.at, actor=call.identity)
        return DayOut.of(day, body.known())
