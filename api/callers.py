"""Whose token this is: one indexed query for each request, asked from the event loop itself.

Nothing is remembered: a token that was revoked a moment ago, in any process, opens nothing. The
query has a connection of its own and needs no thread, so it costs less than keeping answers and
taking them back would.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import uuid
from typing import TYPE_CHECKING, Final

from api.errors import Unauthenticated
from api.models import Role
from api.permissions import Actor, Binding
from api.tokens import digest
from db.errors import StatementFailed
from db.statement import Statement

if TYPE_CHECKING:
    from datetime import datetime

_CALLER: Final = """
SELECT t.token_sha256, t.id, t.name, json_agg(json_build_array(r.role, r.organization_id)
    ORDER BY r.id) FILTER (WHERE r.id IS NOT NULL)
FROM api_tokens t LEFT JOIN api_token_roles r ON r.token_id = t.id
WHERE t.token_sha256 = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)
GROUP BY t.id
"""
_UNKNOWN: Final = "the token is not known here, or no longer in force"


class Callers:
    """Finds callers by their tokens, for one event loop."""

    def __init__(self, url: str) -> None:
        self._statement = Statement(url, _CALLER)
        self._turn = asyncio.Lock()

    async def find(self, token: str, *, at: datetime) -> Actor:
        """Return who a token stands for; raises Unauthenticated without saying why it does not.

        Raises StatementFailed while the database does not answer.
        """
        wanted = digest(token).encode()
        values = (wanted, at.isoformat().encode())
        async with self._turn:
            try:
                rows = await self._statement.run(*values)
            except StatementFailed:
                rows = await self._statement.run(*values)  # the server may have been restarted
        for stored, identifier, name, bindings in rows:
            if hmac.compare_digest(stored or b"", wanted):
                return Actor(
                    identity=f"token:{_text(identifier)}",
                    name=_text(name),
                    bindings=tuple(_bindings(bindings)),
                )
        raise Unauthenticated(_UNKNOWN)

    def close(self) -> None:
        """Drop the connection."""
        self._statement.close()


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _bindings(told: bytes | None) -> list[Binding]:
    pairs: list[tuple[str, str | None]] = json.loads(told or b"[]")
    return [Binding(Role(role), uuid.UUID(where) if where else None) for role, where in pairs]
