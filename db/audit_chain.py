"""The exact bytes of the audit log's hash chains, for whoever writes them and whoever checks.

::

    content_digest = SHA-256(content)
    digest         = SHA-256(previous || chain || sequence || content_digest)

`content` is the canonical JSON object of id, at, actor, action, object_type, object_id, before and
after. `chain` is 2 bytes and `sequence` 8 bytes, big-endian; `previous` is the digest of the entry
before, 32 zero bytes for the first. Sequences start at 1. The database computes the same link.
"""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime
from json.encoder import encode_basestring
from typing import Final

from db.canonical import utc_text

CHAINS: Final = 16
"""Chains side by side, numbered from 1: as many commits as may share one disk flush."""

GENESIS: Final = bytes(32)
"""What the first entry of a chain continues."""


@dataclass(frozen=True, kw_only=True)
class EntryContent:
    """What an entry says; `before` and `after` are canonical JSON texts."""

    id: uuid.UUID
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before: str | None
    after: str | None

    def canonical(self) -> str:
        """Return the hashed JSON text; its keys are in order."""
        return (
            f'{{"action":{_quoted(self.action)},"actor":{_quoted(self.actor)}'
            f',"after":{self.after or "null"},"at":"{utc_text(self.at)}"'
            f',"before":{self.before or "null"},"id":"{self.id}"'
            f',"object_id":{_quoted(self.object_id)},"object_type":{_quoted(self.object_type)}}}'
        )

    def digest(self) -> bytes:
        """Return SHA-256 of the canonical text."""
        return hashlib.sha256(self.canonical().encode()).digest()


class EntryForm:
    """What the entries of one action at one moment have in common, written once.

    `EntryContent` says the same of a single entry; a test holds the two together.
    """

    __slots__ = ("_fixed", "_head", "_middle", "_tail")

    def __init__(self, *, at: datetime, actor: str, action: str, object_type: str) -> None:
        moment = utc_text(at)
        kind, by, what = _quoted(object_type), _quoted(actor), _quoted(action)
        self._head = f'{{"action":{what},"actor":{by},"after":'
        self._middle = f',"at":"{moment}","before":'
        self._tail = f',"object_type":{kind}}}'
        self._fixed = (
            f'","at":"{moment}","actor":{by},"action":{what},"object_type":{kind},"object_id":'
        )

    def append_json(
        self, entry_id: uuid.UUID, object_id: str, *, before: str | None, after: str | None
    ) -> str:
        """Return what `audit_append` takes; `before` and `after` are canonical JSON already."""
        made, named = str(entry_id), _quoted(object_id)
        content = (
            f'{self._head}{after or "null"}{self._middle}{before or "null"},"id":"{made}"'
            f',"object_id":{named}{self._tail}'
        )
        return (
            f'{{"id":"{made}{self._fixed}{named},"before":{_escaped(before)}'
            f',"after":{_escaped(after)}'
            f',"content_digest":"{hashlib.sha256(content.encode()).hexdigest()}"}}'
        )


def link_digest(*, previous: bytes, chain: int, sequence: int, content_digest: bytes) -> bytes:
    """Return the digest of an entry, which the next entry continues."""
    number = chain.to_bytes(2, "big") + sequence.to_bytes(8, "big")
    return hashlib.sha256(previous + number + content_digest).digest()


def _quoted(text: str) -> str:
    return encode_basestring(text)


def _escaped(text: str | None) -> str:
    return "null" if text is None else encode_basestring(text)
