"""What relying parties fetch without login: time-stamps, CA certificates, CRLs.

Bare ASGI in front of the framework, since these are the calls that come by the thousand. The work
runs in threads: it asks the database, so that no answer is older than the last committed change.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from ca import authorities, crl
from ca.errors import CaError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.wiring import Wiring

MAX_REQUEST_BYTES: Final = 64 * 1024
"""RFC 3161 requests are a few hundred bytes."""
TSA_TYPE: Final = b"application/timestamp-reply"
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer."""

    status: int
    media_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class PkiFiles:
    """Answers its own paths and passes all others on to the framework."""

    def __init__(self, app: ASGIApp, wiring: Wiring) -> None:
        self.app = app
        self.wiring = wiring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path == "/tsa":
            await self._reply(send, scope, await self._tsa(scope, receive))
        elif path.startswith("/pki/"):
            await self._reply(send, scope, await self._file(scope))
        else:
            await self.app(scope, receive, send)

    async def _tsa(self, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] != "POST":
            return _not_allowed(b"POST")
        answer = await run_in_threadpool(self.wiring.timestamp_reply, await _body(receive))
        return Reply(_OK, TSA_TYPE, answer)

    async def _file(self, scope: Scope) -> Reply:
        if scope["method"] not in {"GET", "HEAD"}:
            return _not_allowed(b"GET, HEAD")
        slug, _, kind = scope["path"].removeprefix("/pki/").rpartition(".")
        try:
            reply = await run_in_threadpool(self._read, slug, kind)
        except CaError:
            return Reply(404, b"text/plain; charset=utf-8", b"no such file\n")
        wanted = dict(scope["headers"]).get(b"if-none-match")
        etag = dict(reply.headers).get(b"etag")
        if wanted is not None and wanted == etag:
            return Reply(304, reply.media_type, b"", reply.headers)
        return reply

    def _read(self, slug: str, kind: str) -> Reply:
        with self.wiring.sessions() as session:
            authority = authorities.by_slug(session, slug)
            if kind == "crl":
                body, media_type = crl.latest(session, authority).der, b"application/pkix-crl"
            elif kind == "cer":
                body, media_type = authority.certificate, b"application/pkix-cert"
            else:
                return Reply(404, b"text/plain; charset=utf-8", b"no such file\n")
        etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
        return Reply(_OK, media_type, body, ((b"cache-control", b"no-cache"), (b"etag", etag)))

    @staticmethod
    async def _reply(send: Send, scope: Scope, reply: Reply) -> None:
        headers = [
            (b"content-type", reply.media_type),
            (b"content-length", str(len(reply.body)).encode()),
            *reply.headers,
        ]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    """Read a small body; a larger one gives b"", which both protocols answer as malformed."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_REQUEST_BYTES:
            parts.append(part)
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts) if size <= MAX_REQUEST_BYTES else b""


def _not_allowed(methods: bytes) -> Reply:
    return Reply(405, b"text/plain; charset=utf-8", b"method not allowed\n", ((b"allow", methods),))
