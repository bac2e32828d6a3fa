"""Check the audit log against its own hashes, entry by entry.

Found are: a changed entry, a removed or added one, a wrong link, a chain cut short, a chain gone.
What the log cannot know by itself is a chain cut short together with its head; `anchors`, kept
elsewhere, tell that too: the head of a chain at some time in the past must still be in it.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple, cast

from sqlalchemy import Text, func, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from db.audit_chain import CHAINS, GENESIS, EntryContent, link_digest
from db.models import AuditChain, AuditEntry

CHUNK: Final = 2_000
"""Rows in memory at a time."""


class Fault(StrEnum):
    """What is wrong with the first broken entry of a chain."""

    CONTENT_CHANGED = "content_changed"
    LINK_BROKEN = "link_broken"
    ENTRY_MISSING = "entry_missing"
    TAIL_MISSING = "tail_missing"
    TAIL_ADDED = "tail_added"
    HEAD_CHANGED = "head_changed"
    CHAIN_MISSING = "chain_missing"
    ANCHOR_BROKEN = "anchor_broken"


@dataclass(frozen=True, kw_only=True)
class ChainHead:
    """The last link of a chain at some moment: what to keep elsewhere as an anchor."""

    chain: int
    sequence: int
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class BrokenLink:
    """The first broken place of a chain; `id` is the entry there, None where it is missing."""

    chain: int
    sequence: int
    id: uuid.UUID | None
    fault: Fault


@dataclass(frozen=True, kw_only=True)
class AuditVerdict:
    """What `verify` found: how many entries and chains it read, and each chain's first fault."""

    entries: int
    chains: int
    broken: tuple[BrokenLink, ...]

    @property
    def intact(self) -> bool:
        """Whether every entry is as it was written, and none is missing."""
        return not self.broken

    @property
    def first_broken(self) -> BrokenLink | None:
        """The fault in the chain with the lowest number, None when there is none."""
        return self.broken[0] if self.broken else None


class Row(NamedTuple):
    """One row of the join of entries and heads; either side may be missing."""

    chain: int
    sequence: int | None
    id: uuid.UUID
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before: str | None
    after: str | None
    content_digest: bytes
    previous: bytes
    digest: bytes
    head_sequence: int | None
    head_digest: bytes | None


@dataclass
class _Chain:
    """A chain while it is read."""

    number: int
    anchors: dict[int, bytes]
    sequence: int = 0
    digest: bytes = GENESIS
    head_sequence: int | None = None
    head_digest: bytes | None = None
    fault: BrokenLink | None = field(default=None)

    def take(self, row: Row) -> None:
        """Check the next entry; nothing is checked after the first fault."""
        self.head_sequence, self.head_digest = row.head_sequence, row.head_digest
        if self.fault is not None or row.sequence is None:
            return
        fault = self._fault_of(row, row.sequence)
        if fault is not None:
            missing = fault is Fault.ENTRY_MISSING
            self._blame(fault, self.sequence + 1, None if missing else row.id)
            return
        self.sequence, self.digest = row.sequence, row.digest
        if self.anchors.pop(row.sequence, row.digest) != row.digest:
            self._blame(Fault.ANCHOR_BROKEN, row.sequence, row.id)

    def close(self) -> BrokenLink | None:
        """Compare the end with the head and the anchors; return the chain's first fault."""
        if self.fault is not None:
            return self.fault
        if self.head_sequence is None:
            self._blame(Fault.CHAIN_MISSING, self.sequence, None)
        elif self.head_sequence > self.sequence:
            self._blame(Fault.TAIL_MISSING, self.sequence + 1, None)
        elif self.head_sequence < self.sequence:
            self._blame(Fault.TAIL_ADDED, self.head_sequence + 1, None)
        elif self.head_digest != self.digest:
            self._blame(Fault.HEAD_CHANGED, self.sequence, None)
        elif self.anchors:
            self._blame(Fault.ANCHOR_BROKEN, min(self.anchors), None)
        return self.fault

    def _fault_of(self, row: Row, sequence: int) -> Fault | None:
        if sequence > self.sequence + 1:
            return Fault.ENTRY_MISSING
        if sequence != self.sequence + 1 or row.previous != self.digest:
            return Fault.LINK_BROKEN
        content_digest = content_of(row).digest()
        if content_digest != row.content_digest:
            return Fault.CONTENT_CHANGED
        expected = link_digest(
            previous=self.digest,
            chain=self.number,
            sequence=sequence,
            content_digest=content_digest,
        )
        return None if expected == row.digest else Fault.LINK_BROKEN

    def _blame(self, fault: Fault, sequence: int, entry: uuid.UUID | None) -> None:
        self.fault = BrokenLink(chain=self.number, sequence=sequence, id=entry, fault=fault)


def verify(session: Session, *, anchors: Sequence[ChainHead] = ()) -> AuditVerdict:
    """Read the whole log and check every link; writers may go on meanwhile.

    The log is read in one statement, so heads and entries belong to the same moment, and in chunks,
    so its size does not matter.
    """
    return verify_rows(rows(session), anchors=anchors)


def verify_rows(found: Iterable[Row], *, anchors: Sequence[ChainHead] = ()) -> AuditVerdict:
    """Check entries that were read before, wherever they come from; ordered within each chain."""
    kept: dict[int, dict[int, bytes]] = {}
    for anchor in anchors:
        if anchor.sequence:
            kept.setdefault(anchor.chain, {})[anchor.sequence] = anchor.digest
    chains = {n: _Chain(n, kept.pop(n, {})) for n in range(1, CHAINS + 1)}
    entries = 0
    for row in found:
        chain = chains.setdefault(row.chain, _Chain(row.chain, {}))
        entries += row.sequence is not None
        chain.take(row)
    faults = (chains[number].close() for number in sorted(chains))
    return AuditVerdict(
        entries=entries, chains=len(chains), broken=tuple(f for f in faults if f is not None)
    )


def heads(session: Session) -> tuple[ChainHead, ...]:
    """Return the present heads of all chains, to be kept elsewhere as anchors."""
    rows = session.execute(
        select(AuditChain.chain, AuditChain.sequence, AuditChain.digest).order_by(AuditChain.chain)
    )
    return tuple(ChainHead(chain=c, sequence=s, digest=bytes(d)) for c, s, d in rows)


def rows(session: Session) -> Iterator[Row]:
    """Read every entry beside the head of its chain, chain by chain, in one statement."""
    entry, head = AuditEntry.__table__, AuditChain.__table__
    chain = func.coalesce(entry.c.chain, head.c.chain)
    query = (
        select(
            chain, entry.c.sequence, entry.c.id, entry.c.at, entry.c.actor, entry.c.action,
            entry.c.object_type, entry.c.object_id, sql_cast(entry.c.before, Text),
            sql_cast(entry.c.after, Text), entry.c.content_digest, entry.c.previous,
            entry.c.digest, head.c.sequence, head.c.digest,
        )
        .select_from(entry.join(head, entry.c.chain == head.c.chain, full=True))
        .order_by(chain, entry.c.sequence)
    )  # fmt: skip
    result = session.execute(query.execution_options(yield_per=CHUNK))
    for row in result:
        yield Row(*cast("tuple[object, ...]", row))  # type: ignore[arg-type]  # as selected


def content_of(row: Row) -> EntryContent:
    """Give what an entry says, as it was hashed."""
    return EntryContent(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        before=row.before,
        after=row.after,
    )
