"""`/sign/ask`: one question to the signer, and one PIN, for several documents."""

from typing import Annotated

from fastapi import APIRouter, Depends

from api.auth import Call, needs
from api.permissions import Action
from api.responses import problems
from api.schemas.lists import Page
from api.schemas.sign import AskIn, SignRequestOut
from signing import prompts

router = APIRouter(prefix="/sign", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]


@router.post("/ask", status_code=202, responses=problems(404, 409, 503))
def ask(call: Signer, body: AskIn) -> Page[SignRequestOut]:
    """Ask the signer's phone or service once for requests of one's own that were held back."""
    rows = prompts.ask_together(call.wiring.desk, body.requests, at=call.at, actor=call.identity)
    return Page(items=[SignRequestOut.of(row) for row in rows])
