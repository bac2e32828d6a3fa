"""The audit log: who did what to which object, in an order nobody can change afterwards.

Entries form hash chains. An entry's content is hashed as canonical JSON, and that digest is hashed
again together with the digest of the entry before it (`db.audit_chain` has the exact bytes).

There are several chains side by side, so transactions that commit at the same time do not queue for
one last link: each takes a chain no other holds at that moment. Entries wait on the session and are
written last thing before the commit, so a chain is held for little more than the commit itself.
Triggers in the database check each new link and refuse any change to what is there; `verify` finds
what was changed past them.
"""

import functools
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import event, select
from sqlalchemy.orm import Session, SessionTransaction

from db.audit_chain import EntryForm
from db.audit_verification import AuditVerdict, BrokenLink, ChainHead, Fault, heads, verify
from db.base import require_aware, uuid7
from db.canonical import canonical_json, clean_text
from db.errors import ValueUnsuitable
from db.models import AuditEntry

__all__ = [
    "AuditEntry",
    "AuditFilter",
    "AuditVerdict",
    "BrokenLink",
    "ChainHead",
    "EntryForm",
    "Fault",
    "entry",
    "form",
    "heads",
    "list_entries",
    "record",
    "record_written",
    "verify",
]

PAGE: Final = 100
"""Entries in a list when the caller does not say."""

_WAITING: Final = "db.audit.waiting"
_APPEND: Final = "SELECT audit_append(%s)"


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    entries: str
    """One or several, as `audit_append` takes them."""
    transaction: SessionTransaction | None
    """The savepoint they were recorded in: undone with it."""


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which entries to list; what is None does not matter. `since` is included, `until` not."""

    actor: str | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def record(  # noqa: PLR0913 - an entry has these parts, and every room writes them out by name
    session: Session,
    *,
    at: datetime,
    actor: str,
    action: str,
    object_type: str,
    object_id: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Record an action; it is stored if and only if the session's transaction commits.

    `before` and `after` are the object's telling fields on either side of the change, never
    secrets; they are copied now. Raises NaiveDatetime or ValueUnsuitable at once, not at the
    commit.
    """
    shared = form(at=at, actor=actor, action=action, object_type=object_type)
    record_written(session, [_entry(shared, object_id, before, after)])


def record_written(session: Session, entries: Iterable[str]) -> None:
    """Record many actions, as `EntryForm.append_json` writes them, under the promise of `record`.

    For hundreds of entries of the same few shapes in one transaction.
    """
    written = ",".join(entries)
    if not written:
        return
    if not session.in_transaction():
        session.begin()  # what the entries belong to, and end with
    waiting = cast("list[_Waiting]", session.info.setdefault(_WAITING, []))
    savepoint = session.get_nested_transaction()
    waiting.append(_Waiting(entries=written, transaction=savepoint))


@functools.lru_cache(maxsize=64)
def form(*, at: datetime, actor: str, action: str, object_type: str) -> EntryForm:
    """Return the form of entries that have these in common; raises as `record` does."""
    return EntryForm(
        at=require_aware(at),
        actor=_name(actor, what="actor"),
        action=_name(action, what="action"),
        object_type=_name(object_type, what="object type"),
    )


def entry(
    *,
    at: datetime,
    actor: str,
    action: str,
    object_type: str,
    object_id: str,
    after: Mapping[str, object] | None = None,
) -> str:
    """Return one entry of the JSON list that `audit_append` takes, for use without a session.

    The statement that makes the change calls `audit_append` itself, so both are there or neither.
    Raises NaiveDatetime or ValueUnsuitable.
    """
    shared = form(at=at, actor=actor, action=action, object_type=object_type)
    return _entry(shared, object_id, None, after)


def list_entries(
    session: Session,
    *,
    where: AuditFilter | None = None,
    limit: int = PAGE,
    after: uuid.UUID | None = None,
) -> Sequence[AuditEntry]:
    """Return up to `limit` entries, newest first, starting after the entry with id `after`."""
    where = where or AuditFilter()
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    for column, wanted in (
        (AuditEntry.actor, where.actor),
        (AuditEntry.action, where.action),
        (AuditEntry.object_type, where.object_type),
        (AuditEntry.object_id, where.object_id),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if where.since is not None:
        query = query.where(AuditEntry.at >= where.since)
    if where.until is not None:
        query = query.where(AuditEntry.at < where.until)
    if after is not None:
        query = query.where(AuditEntry.id < after)
    return session.scalars(query).all()


def _entry(
    shared: EntryForm,
    object_id: str,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> str:
    return shared.append_json(
        uuid7(),
        _name(object_id, what="object id"),
        before=None if before is None else canonical_json(before),
        after=None if after is None else canonical_json(after),
    )


def _name(text: str, *, what: str) -> str:
    if not text:
        raise ValueUnsuitable(f"the {what} is empty")
    return clean_text(text)


# The hooks are on the class of all sessions: a session that were left out would lose entries.
@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    """Write what waits. Also called for a savepoint: its entries are then undone with its rows."""
    if not session.info.get(_WAITING):
        return
    session.flush()  # everything slower than the entries themselves goes before them
    waiting = cast("list[_Waiting]", session.info.pop(_WAITING))
    entries = "[" + ",".join(each.entries for each in waiting) + "]"
    session.connection().exec_driver_sql(_APPEND, (entries,))


@event.listens_for(Session, "after_soft_rollback")
def _drop_undone(session: Session, undone: SessionTransaction) -> None:
    """Forget what was recorded in a savepoint that was rolled back, or in any below it."""
    waiting = cast("list[_Waiting]", session.info.get(_WAITING, []))
    waiting[:] = [each for each in waiting if not _lies_in(each.transaction, undone)]


@event.listens_for(Session, "after_transaction_end")
def _drop_all(session: Session, ended: SessionTransaction) -> None:
    """Forget everything when the transaction ends without a commit."""
    if ended.parent is None:
        session.info.pop(_WAITING, None)


def _lies_in(inner: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while inner is not None:
        if inner is outer:
            return True
        inner = inner.parent
    return outer.parent is None
