"""What relying parties fetch without login: time-stamps, CA certificates, CRLs.

Bare ASGI in front of the framework, since these are the calls that come by the thousand. The work
runs in threads: it asks the database, so that no answer is older than the last committed change.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from api.errors import ApiError, MethodNotAllowed, PathUnknown
from api.problem_words import MEDIA_TYPE, encoded
from ca import authorities, crl
from ca.errors import CaError

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable

    from sqlalchemy.orm import Session
    from starlette.types import ASGIApp, Receive, Scope, Send

    from api.wiring import Wiring
    from ca.models import Authority

MAX_REQUEST_BYTES: Final = 64 * 1024
"""RFC 3161 requests are a few hundred bytes."""
TSA: Final = "/tsa"
FILES: Final = "/pki/"
TSA_TYPE: Final = b"application/timestamp-reply"
_OK: Final = 200
LISTS_KEPT: Final = 4
"""A list of a million entries has 49 MB."""
_FILE: Final = re.compile(
    r"(?P<slug>[a-z0-9-]{1,64})(?:\.(?P<kind>cer)"
    r"|(?:/(?P<shard>[0-9]{1,4}))?(?P<delta>/delta)?\.crl)"
)
"""`issuing.cer`, `issuing.crl`, `issuing/3.crl`, `issuing/delta.crl`, `issuing/3/delta.crl`."""


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
        self._lists = _Lists()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dispatch by path."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path == TSA:
            await self._answer(send, scope, self._tsa(scope, receive))
        elif path.startswith(FILES):
            await self._answer(send, scope, self._file(scope))
        else:
            await self.app(scope, receive, send)

    async def _tsa(self, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] != "POST":
            raise _not_allowed(scope)
        answer = await run_in_threadpool(self.wiring.timestamp_reply, await _body(receive))
        return Reply(_OK, TSA_TYPE, answer)

    async def _file(self, scope: Scope) -> Reply:
        if scope["method"] not in {"GET", "HEAD"}:
            raise _not_allowed(scope)
        reply = await run_in_threadpool(self._read, scope["path"])
        wanted = dict(scope["headers"]).get(b"if-none-match")
        etag = dict(reply.headers).get(b"etag")
        if wanted is not None and wanted == etag:
            return Reply(304, reply.media_type, b"", reply.headers)
        return reply

    def _read(self, path: str) -> Reply:
        found = _FILE.fullmatch(path.removeprefix(FILES))
        if found is None:
            raise PathUnknown(f"nothing answers at {path}")
        with self.wiring.sessions() as session:
            authority = authorities.by_slug(session, found["slug"])
            if found["kind"] == "cer":
                return _file(authority.certificate, b"application/pkix-cert")
            shard = int(found["shard"]) if found["shard"] else None
            scope = crl.Scope(shard, delta=bool(found["delta"]))
            return self._lists.reply(session, authority, scope)

    async def _answer(self, send: Send, scope: Scope, work: Awaitable[Reply]) -> None:
        """Send what the work gives, or the problem that it meets."""
        try:
            reply = await work
        except CaError:
            reply = _problem(scope, PathUnknown(f"nothing answers at {scope['path']}"))
        except PathUnknown as error:
            reply = _problem(scope, error)
        except MethodNotAllowed as error:
            allowed = b"POST" if scope["path"] == TSA else b"GET, HEAD"
            reply = _problem(scope, error, (b"allow", allowed))
        await self._reply(send, scope, reply)

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


class _Lists:
    """The lists served last: a large one is read from the database once for each issue of it."""

    def __init__(self) -> None:
        self._kept: dict[uuid.UUID, Reply] = {}

    def reply(self, session: Session, authority: Authority, scope: crl.Scope) -> Reply:
        newest = crl.newest_id(session, authority, scope)
        kept = self._kept.get(newest)
        if kept is None:
            kept = _file(crl.encoded(session, newest), b"application/pkix-crl")
            others = [pair for pair in self._kept.items() if pair[0] != newest]
            self._kept = dict([*others[-LISTS_KEPT + 1 :], (newest, kept)])
        return kept


def _file(body: bytes, media_type: bytes) -> Reply:
    etag = b'"' + hashlib.sha256(body).hexdigest()[:32].encode() + b'"'
    return Reply(_OK, media_type, body, ((b"cache-control", b"no-cache"), (b"etag", etag)))


async def _body(receive: Receive) -> bytes:
    """Read a small body; a larger one gives b"", which is answered as malformed."""
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


def _not_allowed(scope: Scope) -> MethodNotAllowed:
    return MethodNotAllowed(f"{scope['method']} is not answered at {scope['path']}")


def _problem(scope: Scope, error: ApiError, *more: tuple[bytes, bytes]) -> Reply:
    request_id = scope.get("antin.request_id", "")
    status, body, headers = encoded(error, scope["headers"], request_id=request_id)
    kept = (*more, *(pair for pair in headers if pair[0] == b"content-language"))
    return Reply(status, MEDIA_TYPE.encode(), body, kept)
