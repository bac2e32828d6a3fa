"""Who calls: from the request to an Actor, and what a handler gets to work with.

`needs(action)` is what every handler depends on. It finds the caller and refuses one that has no
role at all for the action, before any body is read; the handler then asks `call.require` with the
organisation that its object belongs to.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.security import HTTPBearer
from sqlalchemy.orm import Session

from api import idempotency, permissions
from api.errors import Unauthenticated
from api.permissions import Action, Actor
from api.query_names import reads_query, require_known
from api.uploads import TYPES, VERIFIED_TYPES, Upload, receive
from api.wiring import Wiring

MAX_TOKEN_CHARACTERS = 512

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Chosen by the caller, up to 255 characters: the same key and request give the "
        "same answer, also after a crash; with another request 409. Kept for seven days.",
    ),
]

bearer = HTTPBearer(auto_error=False, description="An API token", scheme_name="token")


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request: who, when, and the wiring to answer it with."""

    wiring: Wiring
    actor: Actor
    at: datetime
    key: str | None
    """The Idempotency-Key, when one was sent."""

    @property
    def identity(self) -> str:
        """What records and the audit log name the caller by."""
        return self.actor.identity

    def transaction(self) -> AbstractContextManager[Session]:
        """Open a transaction that commits at its end, or leaves nothing behind."""
        return self.wiring.sessions.begin()

    def require(
        self, session: Session, action: Action, *, organization_id: uuid.UUID | None
    ) -> None:
        """Refuse unless the caller may do this for the organisation (None: for all)."""
        permissions.require(session, self.actor, action, organization_id=organization_id)

    def once(
        self, *same: object, act: Callable[[idempotency.Attempt], idempotency.Answer]
    ) -> idempotency.Answer:
        """Do the work once for the caller's key; `same` is what makes two requests equal."""
        keyed = idempotency.Keyed(
            actor=self.identity,
            key=self.key,
            request_sha256="" if self.key is None else idempotency.fingerprint(*same),
            at=self.at,
        )
        wiring = self.wiring
        return idempotency.once(wiring.sessions, wiring.direct, wiring.pulse, keyed, act)


def bearer_token(authorization: str | None) -> str:
    """Return the token of an Authorization header (RFC 6750 2.1); raises Unauthenticated."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_CHARACTERS:
        raise Unauthenticated("a bearer token is needed")
    return token


async def authenticated(request: Request, wiring: Wiring, action: Action) -> Call:
    """Find the caller, and refuse one that has no role at all for the action."""
    token = bearer_token(request.headers.get("authorization"))
    at = wiring.clock()
    actor = await wiring.callers.find(token, at=at)
    permissions.require_somewhere(actor, action)
    request.scope["antin.actor"] = actor.identity
    return Call(wiring, actor, at, request.headers.get("idempotency-key"))


def wiring_of(request: Request) -> Wiring:
    """Return what this process works with."""
    found: Wiring = request.scope.get("antin.wiring") or request.app.state.wiring
    return found


def needs(action: Action, *, keyed: bool = False) -> Callable[..., Awaitable[Call]]:
    """Return the dependency that authenticates and asks for a role with this action.

    `keyed` calls are those that do their work once for an Idempotency-Key; only their documentation
    differs, since a key elsewhere changes nothing.
    """

    async def caller(request: Request, _shown: Annotated[object, Depends(bearer)] = None) -> Call:
        call = await authenticated(request, wiring_of(request), action)
        require_known(request)
        return call

    async def keyed_caller(
        request: Request,
        idempotency_key: IdempotencyKey = None,
        _shown: Annotated[object, Depends(bearer)] = None,
    ) -> Call:
        del idempotency_key  # declared for the OpenAPI document; `authenticated` reads it
        return await caller(request)

    found = keyed_caller if keyed else caller
    found.__dict__["action"] = action  # read by the test that walks all routes
    return found


async def received(request: Request, types: Sequence[str], *, most: int | None = None) -> Upload:
    """Receive the request's file, for whoever closes it; of at most so many bytes."""
    wiring = wiring_of(request)
    limit = wiring.settings.max_upload_bytes
    if most is not None:
        limit = min(limit, most)
    return await receive(request, spool=wiring.spool, limit=limit, types=types)


def receiving(
    types: Sequence[str], *, most: int | None = None
) -> Callable[[Request], AsyncIterator[Upload]]:
    """Return the dependency that receives the request's file, and closes it afterwards.

    It is declared after `needs`, so that strangers upload nothing.
    """

    async def uploaded(request: Request) -> AsyncIterator[Upload]:
        upload = await received(request, types, most=most)
        try:
            yield upload
        finally:
            upload.close()

    reads_query(uploaded)
    return uploaded


uploaded = receiving(TYPES)
uploaded_to_verify = receiving(VERIFIED_TYPES)
"""For what is to be verified, which may also be XML or CMS, with its content."""
