"""`/organizations`: the tree of units."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode, page
from api.schemas.organizations import OrganizationChange, OrganizationIn, OrganizationOut
from ca import organizations

router = APIRouter(prefix="/organizations", tags=["organizations"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]


@router.post("", status_code=201, responses=problems(404, 409))
def create(call: Writer, body: OrganizationIn) -> OrganizationOut:
    """Add a unit to the tree; the caller's role must cover the unit above it."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=body.parent_id)
        row = organizations.create(session, details=body.details(), at=call.at, actor=call.identity)
        return OrganizationOut.of(row)


@router.get("", responses=problems())
def listing(
    call: Reader,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[OrganizationOut]:
    """List units by their codes, of a subtree or all."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = organizations.listing(session, under=scope, limit=limit + 1, after=decode(cursor))
        return page(rows, limit=limit, show=OrganizationOut.of, key=lambda row: row.code)


@router.get("/{organization_id}", responses=problems(404))
def get(call: Reader, organization_id: uuid.UUID) -> OrganizationOut:
    """Show a unit."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_READ, organization_id=organization_id)
        return OrganizationOut.of(organizations.get(session, organization_id))


@router.patch("/{organization_id}", responses=problems(404, 409))
def change(call: Writer, organization_id: uuid.UUID, body: OrganizationChange) -> OrganizationOut:
    """Rename a unit, or close it."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=organization_id)
        if body.name is not None:
            organizations.rename(
                session, organization_id, name=body.name, at=call.at, actor=call.identity
            )
        if body.closed:
            organizations.close(session, organization_id, at=call.at, actor=call.identity)
        return OrganizationOut.of(organizations.get(session, organization_id))
