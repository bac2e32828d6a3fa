"""The door for OCSP: what relying parties ask by the thousand, in front of everything else.

An answer that is kept in this process costs one dictionary look-up and a share of one small query,
which tells that it is still true (`ca.ocsp_cache`). Everything else is looked up in threads.
Requests are counted here, since nothing is around this door. They are not in the access log, except
with the level `debug`: they come from anybody, name nobody, and would be most of it.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from api.errors import MethodNotAllowed
from api.problem_words import encoded
from ca import ocsp_messages
from ca.der import DerError
from ca.errors import AuthorityUnavailable

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.wiring import Wiring

PATH: Final = "/ocsp"
MAX_PATH_BYTES: Final = 8 * 1024
"""Base64 of the largest request, with every sign escaped."""

_HEADERS: Final = (
    (b"content-type", b"application/ocsp-response"),
    # Whoever keeps answers may, until nextUpdate; whoever asks us gets today's.
    (b"cache-control", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)
_REFUSED: Final = (
    (b"allow", b"GET, HEAD, POST"),
    (b"x-content-type-options", b"nosniff"),
)
log = logging.getLogger("antin.access")


class OcspDoor:
    """Answers OCSP requests and passes all others on."""

    def __init__(self, app: ASGIApp, wiring: Wiring) -> None:
        self.app = app
        self._wiring = wiring
        self._cache = wiring.answers
        self._counters = wiring.counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path == PATH or path.startswith("/ocsp/"):
                await self._serve(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, method, status = time.perf_counter(), scope["method"], 500
        try:
            status = await self._served(method, scope, receive, send)
        finally:
            self._counters.count(PATH, status, time.perf_counter() - started)

    async def _served(self, method: str, scope: Scope, receive: Receive, send: Send) -> int:
        if method == "POST":
            request = await _body(receive)
        elif method in {"GET", "HEAD"}:
            request = _from_path(scope)
        else:
            error = MethodNotAllowed(f"{method} is not answered at {PATH}")
            status, body, described = encoded(error, scope["headers"])
            headers = [*described, *_REFUSED]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return status
        answer = await self._answer(request)
        await _send(send, 200, _HEADERS, answer, empty=method == "HEAD")
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s 200 %d bytes", method, PATH, len(answer))
        return 200

    async def _answer(self, request: bytes) -> bytes:
        cache = self._cache
        heard = await cache.current()
        at, mark = self._wiring.clock(), cache.mark
        if heard:
            kept = cache.answer(request, at=at)
            if kept is not None:
                return kept
            kept = await self._with_nonce(request, at)
            if kept is not None:
                return kept
        looked = await run_in_threadpool(self._wiring.ocsp_look, request, at)
        if heard:
            cache.keep(None if _has_nonce(request) else request, looked, mark=mark, at=at)
        return looked.der

    async def _with_nonce(self, request: bytes, at: datetime) -> bytes | None:
        """Sign an answer of one's own, where the status is known and only the nonce is new."""
        service = self._wiring.ocsp
        try:
            asked = ocsp_messages.parse_request(request)
        except DerError:
            return ocsp_messages.MALFORMED_REQUEST
        if asked.nonce is None or len(asked.certificates) != 1:
            return None
        issuer = service.issuers.known(asked, at)
        serial = asked.certificates[0].serial
        status = self._cache.status(f"{serial:040x}", at=at) if serial >= 0 else None
        if issuer is None or status is None:
            return None
        try:
            if issuer.signs_in_process:
                return service.with_nonce(asked, issuer, status=status, at=at)
            return await run_in_threadpool(service.with_nonce, asked, issuer, status=status, at=at)
        except AuthorityUnavailable:
            return ocsp_messages.TRY_LATER


def _has_nonce(request: bytes) -> bool:
    try:
        return ocsp_messages.parse_request(request).nonce is not None
    except DerError:
        return False


def _from_path(scope: Scope) -> bytes:
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
    if len(raw) > MAX_PATH_BYTES:
        return b""
    return ocsp_messages.request_from_path(
        raw.removeprefix(b"/ocsp").lstrip(b"/").decode("latin-1")
    )


async def _body(receive: Receive) -> bytes:
    """Read a small body; a larger one gives b"", which is answered as malformed."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        if len(body) <= ocsp_messages.MAX_REQUEST_BYTES:
            body += message.get("body", b"")
    return body if len(body) <= ocsp_messages.MAX_REQUEST_BYTES else b""


async def _send(
    send: Send,
    status: int,
    headers: tuple[tuple[bytes, bytes], ...],
    body: bytes,
    *,
    empty: bool = False,
) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": b"" if empty else body})
