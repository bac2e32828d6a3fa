"""Around every request: an id, sane headers, a size limit, security headers, one line in the log.

Pure ASGI, because it also wraps the fast paths that never reach the framework. Query strings are
never logged: they may carry names.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from api.errors import BodyTooLarge, ParameterInvalid
from api.problem_words import RoomError, encoded
from db.base import uuid7

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES: Final = 1024 * 1024
"""For every call that is no upload; the largest honest body is a CSR or a certificate."""
MAX_PATH_BYTES: Final = 8 * 1024
"""An OCSP request in a GET path is a few hundred bytes (RFC 6960 A.1)."""
MAX_HEADERS: Final = 100
UPLOADS: Final = frozenset(
    f"/api/v1{path}"
    for path in (
        "/sign",
        "/sign/batches",
        "/sign/preflight",
        "/sign/preview",
        "/uploads",
        "/verify",
        "/edoc/verify",
        "/extend",
        "/certificates/import",
        "/certificate-requests/import",
        "/trust-anchors/lists",
    )
)
"""Paths that count their own bytes while they stream them to the disk; a test holds them to the
routes."""

_KEPT: Final = "/api/v1/verifications/"
_REPLAY: Final = "/replay"
_POLICY: Final = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _POLICY),
)
log = logging.getLogger("antin.access")


class Envelope:
    """The outermost layer of the server."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass the lifespan through."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            fault = _fault(scope)
            if fault is not None:
                await exchange.refuse(fault)
                return
            if not takes_file(scope["path"]):
                await self.app(scope, exchange.limited_receive, exchange.send)
                await exchange.refuse_if_too_large()
            else:
                await self.app(scope, receive, exchange.send)
        except BodyTooLarge as error:
            await exchange.refuse(error)
        except Exception:
            # The framework answers and raises again. A finished answer is to arrive whole; an
            # unfinished one has to end with the connection.
            if not exchange.complete:
                raise
        finally:
            exchange.note()


def takes_file(path: str) -> bool:
    """Say whether the call at a path counts its bytes itself, and may take more of them."""
    return path in UPLOADS or (path.startswith(_KEPT) and path.endswith(_REPLAY))


def _fault(scope: Scope) -> RoomError | None:
    """Return what is wrong with the head of a request, if anything."""
    headers = scope["headers"]
    if len(scope.get("raw_path") or b"") > MAX_PATH_BYTES:
        return ParameterInvalid("path", f"longer than {MAX_PATH_BYTES} bytes")
    if len(headers) > MAX_HEADERS:
        return ParameterInvalid("headers", f"more than {MAX_HEADERS}")
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        return ParameterInvalid("path", "contains a NUL character")
    single = (b"host", b"authorization", b"content-length", b"content-type", b"idempotency-key")
    names = [name for name, _ in headers]
    for name in single:
        if names.count(name) > 1:
            return ParameterInvalid(name.decode(), "given more than once")
    declared = next((value for name, value in headers if name == b"content-length"), b"0")
    if not takes_file(scope["path"]) and (not declared.isdigit() or int(declared) > MAX_BODY_BYTES):
        return BodyTooLarge(MAX_BODY_BYTES)
    return None


class _Exchange:
    """One request and its answer, as they pass by."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.request_id = uuid7().hex
        scope["antin.request_id"] = self.request_id
        self.started = time.perf_counter()
        self.status = 0
        self.received = 0
        self.complete = False
        self._refused: BodyTooLarge | None = None

    async def limited_receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        if self.received > MAX_BODY_BYTES:
            # The framework may turn this into an answer of its own, which `send` then replaces.
            self._refused = BodyTooLarge(MAX_BODY_BYTES)
            raise self._refused
        return message

    async def send(self, message: MutableMapping[str, object]) -> None:
        if self._refused is not None:
            return
        if message["type"] == "http.response.start":
            self.status = int(str(message["status"]))
            headers = message.setdefault("headers", [])
            given = {name for name, _ in headers} if isinstance(headers, list) else set()
            message["headers"] = [
                *(headers if isinstance(headers, list) else []),
                *(pair for pair in SECURITY_HEADERS if pair[0] not in given),
                (b"x-request-id", self.request_id.encode()),
                *(() if b"cache-control" in given else ((b"cache-control", b"no-store"),)),
            ]
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True

    async def refuse_if_too_large(self) -> None:
        """Answer in place of the framework when it took the refusal for something else."""
        if self._refused is not None:
            await self.refuse(self._refused)

    async def refuse(self, error: RoomError) -> None:
        """Answer with a problem, where the framework has not been asked or has not answered."""
        if self.status:
            return
        self._refused = None
        status, body, headers = encoded(error, self.scope["headers"], request_id=self.request_id)
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def note(self) -> None:
        if log.isEnabledFor(logging.INFO):
            log.info(
                "%s %s %s %.1fms %s %s",
                self.scope["method"],
                _printable(self.scope["path"]),
                self.status or "-",
                (time.perf_counter() - self.started) * 1000,
                self.scope.get("antin.actor", "-"),
                self.request_id,
            )


def _printable(path: str) -> str:
    """Return a path that cannot forge a second line of the log."""
    return "".join(c if c.isprintable() and c != " " else "?" for c in path[:500])
