"""API tokens: making, finding, revoking them; the secret is shown once and never stored.

A token is 256 random bits, so its plain SHA-256 is as hard to invert as the token is to guess; slow
password hashing would only slow every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from api.errors import ApiTokenNotFound, ParameterInvalid, Unauthenticated
from api.models import ApiToken, RoleBinding
from api.permissions import Actor, Binding
from db import audit
from db.base import uuid7
from hsm.secret import Secret

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

TOKEN_BYTES = 32
MAX_NAME_CHARACTERS = 200
MAX_BINDINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """What a new token is to be; `secret` None makes one."""

    name: str
    bindings: tuple[Binding, ...]
    expires_at: datetime | None = None
    secret: Secret | None = None


def digest(token: str) -> str:
    """Return what is stored instead of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def create(session: Session, new: NewToken, *, at: datetime, actor: str) -> tuple[ApiToken, Secret]:
    """Store a new token and return it with its secret, which nothing can show again."""
    if not new.name.strip() or len(new.name) > MAX_NAME_CHARACTERS:
        raise ParameterInvalid("name", f"1 to {MAX_NAME_CHARACTERS} characters are expected")
    if not 1 <= len(set(new.bindings)) <= MAX_BINDINGS:
        raise ParameterInvalid("roles", f"1 to {MAX_BINDINGS} roles are expected")
    if new.expires_at is not None and new.expires_at <= at:
        raise ParameterInvalid("expires_at", "a time in the future is expected")
    secret = new.secret or Secret("antin_" + secrets.token_urlsafe(TOKEN_BYTES))
    token = ApiToken(
        id=uuid7(),
        name=new.name.strip(),
        token_sha256=digest(secret.reveal_text()),
        created_at=at,
        created_by=actor,
        expires_at=new.expires_at,
        revoked_at=None,
        bindings=[
            RoleBinding(id=uuid7(), role=b.role, organization_id=b.organization_id)
            for b in dict.fromkeys(new.bindings)
        ],
    )
    session.add(token)
    session.flush()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="api_token.create",
        object_type="api_token",
        object_id=str(token.id),
        after=described(token),
    )
    return token, secret


def authenticate(session: Session, token: str, *, at: datetime) -> Actor:
    """Return who a token stands for; raises Unauthenticated without saying why it does not."""
    wanted = digest(token)
    found = session.scalar(
        select(ApiToken)
        .where(ApiToken.token_sha256 == wanted)
        .options(selectinload(ApiToken.bindings))
    )
    if found is None or not hmac.compare_digest(found.token_sha256, wanted):
        raise Unauthenticated("the token is not known here, or no longer in force")
    if found.revoked_at is not None or (found.expires_at is not None and found.expires_at <= at):
        raise Unauthenticated("the token is not known here, or no longer in force")
    return Actor(
        identity=f"token:{found.id}",
        name=found.name,
        bindings=tuple(Binding(b.role, b.organization_id) for b in found.bindings),
    )


def get(session: Session, token_id: uuid.UUID) -> ApiToken:
    """Return a token with its roles; raises ApiTokenNotFound."""
    found = session.scalar(
        select(ApiToken).where(ApiToken.id == token_id).options(selectinload(ApiToken.bindings))
    )
    if found is None:
        raise ApiTokenNotFound(f"no API token has the id {token_id}")
    return found


def list_tokens(session: Session, *, limit: int, after: uuid.UUID | None) -> Sequence[ApiToken]:
    """Return tokens in the order of their making, with their roles."""
    query = select(ApiToken).order_by(ApiToken.id).limit(limit)
    if after is not None:
        query = query.where(ApiToken.id > after)
    return session.scalars(query.options(selectinload(ApiToken.bindings))).all()


def revoke(session: Session, token_id: uuid.UUID, *, at: datetime, actor: str) -> ApiToken:
    """Put a token out of force for ever; doing it twice changes nothing."""
    token = get(session, token_id)
    if token.revoked_at is None:
        before = described(token)
        token.revoked_at = at
        session.flush()
        audit.record(
            session,
            at=at,
            actor=actor,
            action="api_token.revoke",
            object_type="api_token",
            object_id=str(token.id),
            before=before,
            after=described(token),
        )
    return token


def described(token: ApiToken) -> dict[str, object]:
    """Return what the audit log keeps of a token: everything but its secret."""
    return {
        "name": token.name,
        "roles": [
            {"role": b.role.value, "organization_id": str(b.organization_id or "") or None}
            for b in token.bindings
        ],
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
    }
