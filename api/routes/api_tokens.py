"""`/api-tokens`: who may call, and for which part of the tree."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends

from api import tokens
from api.auth import Call, needs
from api.permissions import Action
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode_id, page
from api.schemas.tokens import TokenIn, TokenMade, TokenOut
from ca import organizations

router = APIRouter(prefix="/api-tokens", tags=["administration"])
Administrator = Annotated[Call, Depends(needs(Action.TOKEN_ADMINISTER))]


@router.post("", status_code=201, responses=problems(404))
def create(call: Administrator, body: TokenIn) -> TokenMade:
    """Make a token; its secret is in this answer and nowhere else, ever."""
    with call.transaction() as session:
        for role in body.roles:
            if role.organization_id is not None:
                organizations.get(session, role.organization_id)
            call.require(session, Action.TOKEN_ADMINISTER, organization_id=role.organization_id)
        row, secret = tokens.create(session, body.new_token(), at=call.at, actor=call.identity)
        shown = TokenOut.of(row).model_dump()
        return TokenMade(**shown, token=secret.reveal_text())


@router.get("", responses=problems())
def listing(
    call: Administrator, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[TokenOut]:
    """List the tokens, without their secrets."""
    with call.transaction() as session:
        call.require(session, Action.TOKEN_ADMINISTER, organization_id=None)
        rows = tokens.list_tokens(session, limit=limit + 1, after=decode_id(cursor))
        return page(rows, limit=limit, show=TokenOut.of, key=lambda row: str(row.id))


@router.delete("/{token_id}", responses=problems(404))
def revoke(call: Administrator, token_id: uuid.UUID) -> TokenOut:
    """Put a token out of force, at once and for ever."""
    with call.transaction() as session:
        for binding in tokens.get(session, token_id).bindings:
            call.require(session, Action.TOKEN_ADMINISTER, organization_id=binding.organization_id)
        return TokenOut.of(tokens.revoke(session, token_id, at=call.at, actor=call.identity))
