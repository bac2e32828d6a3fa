"""The audit log as a file that anybody can check without the database: JSON lines with proofs.

The first line says what the file is. Then comes every entry, chain by chain: `content` is the exact
text that was hashed, `previous` and `digest` are its link (`db.audit_chain` has the bytes). The
last line holds the heads of all chains; kept elsewhere, they tell later whether one was cut short.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from db.audit_verification import AuditVerdict, Row, content_of, rows, verify_rows
from db.canonical import canonical_json, utc_text
from db.errors import AuditFileUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.orm import Session

FORMAT: Final = "antin-audit-1"
MAX_LINE: Final = 4 * 1024 * 1024
"""Characters; an entry holds telling fields, not documents."""
_LINK: Final = (
    "digest = SHA-256(previous || chain as 2 bytes || sequence as 8 bytes || SHA-256(content)); "
    "numbers big-endian; previous of the first entry: 32 zero bytes"
)


def lines(session: Session, *, at: datetime) -> Iterator[str]:
    """Write the whole log, line by line; all of it is of one moment, whoever writes meanwhile."""
    yield _line({"format": FORMAT, "exported_at": utc_text(at), "link": _LINK})
    heads: dict[int, dict[str, object]] = {}
    for row in rows(session):
        heads[row.chain] = {
            "chain": row.chain,
            "sequence": row.head_sequence,
            "digest": None if row.head_digest is None else bytes(row.head_digest).hex(),
        }
        if row.sequence is not None:
            yield _line(
                {
                    "chain": row.chain,
                    "sequence": row.sequence,
                    "content": content_of(row).canonical(),
                    "previous": bytes(row.previous).hex(),
                    "digest": bytes(row.digest).hex(),
                }
            )
    yield _line({"heads": [heads[chain] for chain in sorted(heads)]})


def check(exported: Iterable[str]) -> AuditVerdict:
    """Check an exported file by itself: every content, every link, every head.

    Raises AuditFileUnreadable when it is no such file, or ends too early.
    """
    heads: dict[int, tuple[int | None, bytes | None]] = {}
    found: list[Row] = []
    complete = False
    for number, line in enumerate(exported, start=1):
        try:
            told: dict[str, Any] = json.loads(line[:MAX_LINE])
            if number == 1:
                if told.get("format") != FORMAT:
                    raise AuditFileUnreadable("the first line does not say that this is one")
            elif "heads" in told:
                complete = True
                for head in told["heads"]:
                    digest = head["digest"]
                    known = None if digest is None else bytes.fromhex(digest)
                    heads[head["chain"]] = (head["sequence"], known)
            else:
                found.append(_row(told))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AuditFileUnreadable(f"line {number} cannot be read") from error
    if not complete:
        raise AuditFileUnreadable("the last line, with the heads, is missing")
    empty = [_head_only(chain) for chain in heads if all(row.chain != chain for row in found)]
    return verify_rows(
        row._replace(head_sequence=heads[row.chain][0], head_digest=heads[row.chain][1])
        if row.chain in heads
        else row
        for row in (*found, *empty)
    )


def _row(told: dict[str, Any]) -> Row:
    content = json.loads(told["content"])
    return Row(
        chain=int(told["chain"]),
        sequence=int(told["sequence"]),
        id=uuid.UUID(content["id"]),
        at=datetime.fromisoformat(content["at"]),
        actor=content["actor"],
        action=content["action"],
        object_type=content["object_type"],
        object_id=content["object_id"],
        before=_inner(content["before"]),
        after=_inner(content["after"]),
        content_digest=hashlib.sha256(told["content"].encode()).digest(),
        previous=bytes.fromhex(told["previous"]),
        digest=bytes.fromhex(told["digest"]),
        head_sequence=None,
        head_digest=None,
    )


def _head_only(chain: int) -> Row:
    """Stand for a chain without entries, as the join of entries and heads gives it."""
    no_one, never = uuid.UUID(int=0), datetime.fromtimestamp(0, UTC)
    said = (no_one, never, "", "", "", "", None, None)
    return Row(chain, None, *said, b"", b"", b"", None, None)


def _inner(value: object) -> str | None:
    return None if value is None else canonical_json(value)


def _line(told: dict[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
