"""The door for approvals: a certificate is issued with others, without a thread for each caller.

The framework serves and documents the same call (`api/routes/certificate_requests.py`); finding its
route and holding a thread for each caller cost more than building a certificate. Order and checks
are the same: the caller first, then the role, then the body. What is not plain JSON for one request
is left to the framework, which says what is wrong with it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api import problems
from api.auth import authenticated
from api.permissions import Action
from api.routes import certificate_requests
from api.schemas.certificates import DecisionIn

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.auth import Call
    from api.wiring import Wiring

BEFORE: Final = "/api/v1/certificate-requests/"
AFTER: Final = "/approve"
UUID_CHARACTERS: Final = 36
JSON: Final = "application/json"


class IssuingDoor:
    """Serves approvals and passes everything else on."""

    def __init__(self, app: ASGIApp, wiring: Wiring) -> None:
        self.app = app
        self._wiring = wiring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path."""
        if scope["type"] == "http" and scope["method"] == "POST":
            request_id = _request_id(scope["path"])
            if request_id is not None and not scope.get("query_string"):
                await self._serve(request_id, scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _serve(
        self, request_id: uuid.UUID, scope: Scope, receive: Receive, send: Send
    ) -> None:
        scope["antin.wiring"] = self._wiring
        request = Request(scope, receive)
        try:
            call = await authenticated(request, self._wiring, Action.REQUEST_DECIDE)
            body = await request.body()
            decision = _decision(request, body)
            if decision is not None:
                response = await self._approved(call, request_id, decision)
        except Exception as error:  # noqa: BLE001 -- the table of problems has an answer for each
            response = problems.answer(request, error)
        else:
            if decision is None:
                await self.app(scope, _again(body, receive), send)
                return
        await response(scope, receive, send)

    async def _approved(self, call: Call, request_id: uuid.UUID, decision: DecisionIn) -> Response:
        if call.key is None:
            shown = await certificate_requests.issued(call, request_id, decision.note)
            if shown is not None:
                return Response(shown, media_type=JSON)
        approve = certificate_requests.approve
        return await self._wiring.threads.run(approve, call, request_id, decision)


def _request_id(path: str) -> uuid.UUID | None:
    """Return the id in the path of an approval; None for any other path."""
    if not (path.startswith(BEFORE) and path.endswith(AFTER)):
        return None
    text = path[len(BEFORE) : -len(AFTER)]
    try:
        return uuid.UUID(text) if len(text) == UUID_CHARACTERS else None
    except ValueError:
        return None


def _decision(request: Request, body: bytes) -> DecisionIn | None:
    """Read the body; None where the framework has to judge it."""
    if not body:
        return DecisionIn()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        return None
    try:
        return DecisionIn.model_validate_json(body)
    except ValidationError:
        return None


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, then what comes after it."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
