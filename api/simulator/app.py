"""The simulator as a web application: both protocols and the phones' pages, on one port."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Mount, Route

from api.simulator.pages import Pages
from api.simulator.rest_service import RestService
from api.simulator.soap_service import SoapService

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from api.simulator.operator import Operator

SOAP_PATH: Final = "/soap/services/MSS_SignaturePort"
REST_PATH: Final = "/mid-api"
MAX_BODY: Final = 256 * 1024
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
            b"frame-ancestors 'none'"
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Who may call: AP_ID -> password, relying party UUID -> name. Empty: anybody."""

    partners: dict[str, str] = field(default_factory=dict)
    relying_parties: dict[str, str] = field(default_factory=dict)


def create_simulator(operator: Operator, contracts: Contracts | None = None) -> ASGIApp:
    """Put the parts together."""
    contracts = contracts or Contracts()
    soap = SoapService(operator=operator, partners=contracts.partners)
    rest = RestService(operator=operator, relying_parties=contracts.relying_parties)

    async def envelope(request: Request) -> Response:
        content = await request.body()
        reply = await run_in_threadpool(soap.answer, content)
        return Response(reply.body, status_code=reply.status, media_type=reply.media_type)

    routes = [
        Route(SOAP_PATH, envelope, methods=["POST"]),
        Mount(REST_PATH, routes=rest.routes()),
        *Pages(operator).routes(),
    ]
    return _Guarded(Starlette(routes=routes))


class _Guarded:
    """Limits bodies and adds the security headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await Response(status_code=413)(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in HEADERS if pair[0] not in given),
                ]
            await send(message)

        await self._app(scope, receive, secured)
