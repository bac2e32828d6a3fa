"""The door for documents: signing and verifying, in front of the framework.

The handlers are the ones that the framework serves and documents (`api/routes/`); here they are
reached without its layers, which cost as much as the key's own work. Order and checks are the same:
the caller first, then the role, then the body, then the handler in a thread, and every error
through the one table of problems.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api import problems
from api.auth import authenticated, uploaded, uploaded_to_verify
from api.permissions import Action
from api.routes import sign, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.auth import Call
    from api.uploads import Upload
    from api.wiring import Wiring


@dataclass(frozen=True, slots=True)
class _Entry:
    """One path: what a caller must be allowed, how its body is taken, and what is then done."""

    action: Action
    taking: Callable[[Request], AbstractAsyncContextManager[Upload]]
    handle: Callable[[Request, Call, Upload], Response]


def _sign(_: Request, call: Call, upload: Upload) -> Response:
    return sign.start(call, upload)


ENTRIES: Final = {
    "/api/v1/sign": _Entry(Action.SIGN, asynccontextmanager(uploaded), _sign),
    "/api/v1/verify": _Entry(
        Action.VERIFY, asynccontextmanager(uploaded_to_verify), verify.verify_
    ),
}


class DocumentDoor:
    """Serves its own paths and passes all others on."""

    def __init__(self, app: ASGIApp, wiring: Wiring) -> None:
        self.app = app
        self._wiring = wiring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path."""
        if scope["type"] == "http" and scope["method"] == "POST":
            entry = ENTRIES.get(scope["path"])
            if entry is not None:
                await self._serve(entry, scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _serve(self, entry: _Entry, scope: Scope, receive: Receive, send: Send) -> None:
        scope["antin.wiring"] = self._wiring
        request = Request(scope, receive)
        try:
            call = await authenticated(request, self._wiring, entry.action)
            async with entry.taking(request) as upload:
                response = await run_in_threadpool(entry.handle, request, call, upload)
        except Exception as error:  # noqa: BLE001 -- the table of problems has an answer for each
            response = problems.answer(request, error)
        await response(scope, receive, send)
