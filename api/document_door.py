"""The door for documents: signing and verifying, in front of the framework.

The handlers are the ones that the framework serves and documents (`api/routes/`); here they are
reached without its layers, which cost as much as the key's own work. Order and checks are the same:
the caller first, then the role, then the body, then the handler in a thread, and every error
through the one table of problems. Small documents are signed together with those that come at the
same time (`signing/together.py`); the handler does what that leaves over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from api import problems
from api.auth import authenticated, received
from api.permissions import Action
from api.routes import sign, verify
from api.uploads import TYPES, VERIFIED_TYPES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.auth import Call
    from api.uploads import Upload
    from api.wiring import Wiring


@dataclass(frozen=True, slots=True)
class _Entry:
    """One path: what a caller must be allowed, how its body is taken, and what is then done."""

    action: Action
    types: Sequence[str]
    handle: Callable[[Request, Call, Upload], Response]
    together: Callable[[Call, Upload], Awaitable[Response | None]]
    """Done with others and without a thread of its own; None for what does need one."""


def _sign(_: Request, call: Call, upload: Upload) -> Response:
    return sign.start(call, upload)


async def _each_alone(_: Call, __: Upload) -> None:
    return None


ENTRIES: Final = {
    "/api/v1/sign": _Entry(Action.SIGN, TYPES, _sign, sign.together),
    "/api/v1/verify": _Entry(Action.VERIFY, VERIFIED_TYPES, verify.verify_, _each_alone),
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
            upload = await received(request, entry.types)
            try:
                response = await entry.together(call, upload)
                if response is None:
                    response = await self._wiring.threads.run(entry.handle, request, call, upload)
            finally:
                upload.close()
        except Exception as error:  # noqa: BLE001 -- the table of problems has an answer for each
            response = problems.answer(request, error)
        await response(scope, receive, send)
