"""`/issuers` and `/status-differences`: issuers elsewhere, and where they contradict our record."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.imports import DifferenceOut, IssuerIn, IssuerOut
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, Paged, decode_id, page
from ca import issuer_watch, known_issuers
from ca.models_imports import DifferenceState

router = APIRouter(tags=["certificates issued elsewhere"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
Revoker = Annotated[Call, Depends(needs(Action.CERTIFICATE_REVOKE))]


@router.get("/issuers", responses=problems())
def listing(call: Reader, paging: Paged) -> Page[IssuerOut]:
    """List the issuers whose certificates are in the registry, besides our own authorities."""
    with call.transaction() as session:
        rows = known_issuers.listing(session)
        return paging.page(rows, show=IssuerOut.of, key=lambda row: str(row.id))


@router.post("/issuers", status_code=201, responses=problems(409))
def create(call: Writer, body: IssuerIn) -> IssuerOut:
    """Add an issuer with its certificate and the addresses of its CRL and OCSP service."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        row = known_issuers.create(session, details=body.details(), at=call.at, actor=call.identity)
        return IssuerOut.of(row)


@router.put("/issuers/{issuer_id}", responses=problems(404, 409))
def change(call: Writer, issuer_id: uuid.UUID, body: IssuerIn) -> IssuerOut:
    """Replace what is known of an issuer; the names it had stay findable."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        row = known_issuers.change(
            session, issuer_id, details=body.details(), at=call.at, actor=call.identity
        )
        return IssuerOut.of(row)


@router.get("/status-differences", responses=problems())
def differences(
    call: Reader,
    state: Annotated[list[DifferenceState] | None, Query()] = None,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[DifferenceOut]:
    """List where an issuer's CRL or OCSP answer and our record part, newest first."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = issuer_watch.differences(
            session,
            states=frozenset(state or {DifferenceState.OPEN}),
            under=scope,
            limit=limit + 1,
            before=decode_id(cursor),
        )
        return page(
            rows,
            limit=limit,
            show=lambda pair: DifferenceOut.of(*pair),
            key=lambda pair: str(pair[0].id),
        )


@router.post("/status-differences/{difference_id}/accept", responses=problems(404, 409))
def accept(call: Revoker, difference_id: uuid.UUID) -> DifferenceOut:
    """Take the issuer's word into our record."""
    with call.transaction() as session:
        _, certificate = issuer_watch.get(session, difference_id)
        call.require(
            session, Action.CERTIFICATE_REVOKE, organization_id=certificate.organization_id
        )
        row = issuer_watch.accept(session, difference_id, at=call.at, actor=call.identity)
        return DifferenceOut.of(row, certificate)
