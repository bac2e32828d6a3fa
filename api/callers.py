"""Whose token this is: asked of the database for each request, from the event loop itself.

Nothing is remembered: a token that was revoked a moment ago, in any process, opens nothing. What is
shared is the question. Requests that come while one is under way are all asked about by the next
one, which sees everything that was committed before they came. It has a connection of its own and
needs no thread, so it costs less than keeping answers and taking them back would.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from api.errors import Unauthenticated
from api.models import Role
from api.permissions import Actor, Binding
from api.tokens import digest
from db.errors import StatementFailed
from db.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db.statement import Row

_CALLERS: Final = """
SELECT t.token_sha256, t.id, t.name, t.expires_at,
    json_agg(json_build_array(r.role, r.organization_id) ORDER BY r.id)
        FILTER (WHERE r.id IS NOT NULL)
FROM api_tokens t LEFT JOIN api_token_roles r ON r.token_id = t.id
WHERE t.token_sha256 = ANY ($1::text[]) AND t.revoked_at IS NULL
GROUP BY t.id
"""
_UNKNOWN: Final = "the token is not known here, or no longer in force"


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was not revoked when it was asked about."""

    actor: Actor
    expires_at: datetime | None


_Asked = dict[str, "asyncio.Future[_Known | None]"]


class Callers:
    """Finds callers by their tokens, for one event loop."""

    def __init__(self, url: str) -> None:
        self._statement = Statement(url, _CALLERS)
        self._next: _Asked = {}
        self._rounds: asyncio.Task[None] | None = None

    async def find(self, token: str, *, at: datetime) -> Actor:
        """Return who a token stands for; raises Unauthenticated without saying why it does not.

        Raises StatementFailed while the database does not answer.
        """
        known = await asyncio.shield(self._asked(digest(token)))
        if known is None or (known.expires_at is not None and known.expires_at <= at):
            raise Unauthenticated(_UNKNOWN)
        return known.actor

    def close(self) -> None:
        """Drop the connection."""
        self._statement.close()

    def _asked(self, wanted: str) -> asyncio.Future[_Known | None]:
        """Have the next question ask about a token, too."""
        loop = asyncio.get_running_loop()
        if self._rounds is None or self._rounds.done() or self._rounds.get_loop() is not loop:
            self._next = {}
            self._rounds = loop.create_task(self._ask())
        return self._next.setdefault(wanted, loop.create_future())

    async def _ask(self) -> None:
        """Ask for all who wait, again and again until nobody does."""
        while self._next:
            asked, self._next = self._next, {}
            try:
                found = await self._found(list(asked))
            except BaseException as error:
                failed = error if isinstance(error, Exception) else StatementFailed(_UNKNOWN)
                for waiting in asked.values():
                    waiting.set_exception(failed)
                if failed is not error:
                    raise
            else:
                for wanted, waiting in asked.items():
                    waiting.set_result(found.get(wanted))

    async def _found(self, wanted: Sequence[str]) -> dict[str, _Known]:
        values = ("{" + ",".join(wanted) + "}").encode()
        try:
            rows = await self._statement.run(values)
        except StatementFailed:
            rows = await self._statement.run(values)  # the server may have been restarted
        return {_text(row[0]): _known(row) for row in rows}


def _known(row: Row) -> _Known:
    _, identifier, name, expires_at, bindings = row
    actor = Actor(
        identity=f"token:{_text(identifier)}",
        name=_text(name),
        bindings=tuple(_bindings(bindings)),
    )
    return _Known(actor, None if expires_at is None else datetime.fromisoformat(_text(expires_at)))


def _text(value: bytes | None) -> str:
    return (value or b"").decode()


def _bindings(told: bytes | None) -> list[Binding]:
    pairs: list[tuple[str, str | None]] = json.loads(told or b"[]")
    return [Binding(Role(role), uuid.UUID(where) if where else None) for role, where in pairs]
