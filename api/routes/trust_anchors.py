"""`/trust-anchors`: which other CAs' certificates paths may end at."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.auth import Call, needs
from api.permissions import Action
from api.responses import problems
from api.schemas.administration import TrustAnchorIn, TrustAnchorOut
from api.schemas.lists import Page
from ca import trust

router = APIRouter(prefix="/trust-anchors", tags=["administration"])
Reader = Annotated[Call, Depends(needs(Action.TRUST_READ))]
Writer = Annotated[Call, Depends(needs(Action.TRUST_WRITE))]


@router.get("", responses=problems())
def listing(call: Reader) -> Page[TrustAnchorOut]:
    """List the added anchors; our own root is always trusted and not listed."""
    with call.transaction() as session:
        rows = trust.list_anchors(session)
        return Page(items=[TrustAnchorOut.of(row) for row in rows])


@router.post("", status_code=201, responses=problems(409))
def add(call: Writer, body: TrustAnchorIn) -> TrustAnchorOut:
    """Trust a CA certificate from now on."""
    with call.transaction() as session:
        call.require(session, Action.TRUST_WRITE, organization_id=None)
        row = trust.add_anchor(session, body.pem.encode(), at=call.at, actor=call.identity)
        return TrustAnchorOut.of(row)


@router.delete("/{anchor_id}", status_code=204, responses=problems(404))
def remove(call: Writer, anchor_id: uuid.UUID) -> Response:
    """Trust it no more; what was verified before stays as it was reported."""
    with call.transaction() as session:
        call.require(session, Action.TRUST_WRITE, organization_id=None)
        trust.remove_anchor(session, anchor_id, at=call.at, actor=call.identity)
    return Response(status_code=204)
