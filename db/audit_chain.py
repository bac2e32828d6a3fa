"""The exact bytes of the audit log's hash chains, for whoever writes them and whoever checks.

::

    content_digest = SHA-256(content)
    digest         = SHA-256(previous || chain || sequence || content_digest)

`content` is the canonical JSON object of id, at, actor, action, object_type, object_id, before and
after. `chain` is 2 bytes and `sequence` 8 bytes, big-endian; `previous` is the digest of the entry
before, 32 zero bytes for the first. Sequences start at 1. The database computes the same link.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from db.canonical import utc_text

CHAINS: Final = 16
"""Chains side by side, numbered from 1: as many commits as may share one disk flush."""

GENESIS: Final = bytes(32)
"""What the first entry of a chain continues."""

_ENCODE: Final = json.JSONEncoder().encode
_QUOTE: Final = json.JSONEncoder(ensure_ascii=False).encode


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

    def append_json(self) -> str:
        """Return what the database's `audit_append` takes for one entry."""
        return (
            f'{{"id":"{self.id}","at":"{utc_text(self.at)}","actor":{_escaped(self.actor)}'
            f',"action":{_escaped(self.action)},"object_type":{_escaped(self.object_type)}'
            f',"object_id":{_escaped(self.object_id)},"before":{_escaped(self.before)}'
            f',"after":{_escaped(self.after)},"content_digest":"{self.digest().hex()}"}}'
        )


def link_digest(*, previous: bytes, chain: int, sequence: int, content_digest: bytes) -> bytes:
    """Return the digest of an entry, which the next entry continues."""
    number = chain.to_bytes(2, "big") + sequence.to_bytes(8, "big")
    return hashlib.sha256(previous + number + content_digest).digest()


def _quoted(text: str) -> str:
    return _QUOTE(text)


def _escaped(text: str | None) -> str:
    return "null" if text is None else _ENCODE(text)
