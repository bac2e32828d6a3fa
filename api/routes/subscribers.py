"""`/subscribers`: persons with their posts, and organisations as legal persons."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode_id, page
from api.schemas.subscribers import SubscriberIn, SubscriberOut
from ca import subscribers

router = APIRouter(prefix="/subscribers", tags=["subscribers"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]


@router.post("", status_code=201, responses=problems(404, 409))
def create(call: Writer, body: SubscriberIn) -> SubscriberOut:
    """Add a subscriber to an organisation."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=body.organization_id)
        row = subscribers.create(session, details=body.details(), at=call.at, actor=call.identity)
        return SubscriberOut.of(row)


@router.get("", responses=problems())
def search(
    call: Reader,
    name: Annotated[str | None, Query(max_length=200)] = None,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SubscriberOut]:
    """Find subscribers by words of their names; diacritics are not needed."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = subscribers.search(
            session, name=name, under=scope, limit=limit + 1, after=decode_id(cursor)
        )
        return page(rows, limit=limit, show=SubscriberOut.of, key=lambda row: str(row.id))


@router.get("/{subscriber_id}", responses=problems(404))
def get(call: Reader, subscriber_id: uuid.UUID) -> SubscriberOut:
    """Show a subscriber."""
    with call.transaction() as session:
        row = subscribers.get(session, subscriber_id)
        call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
        return SubscriberOut.of(row)
