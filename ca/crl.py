"""Which CRLs an authority publishes, when, and from what.

The complete list is always there. With partitions, each new certificate's distribution point names
one of them by serial number, and relying parties fetch a list of a part only. A delta says what
changed since the last complete list: exactly, because each list keeps the transaction snapshot
that its entries were read in.

All lists of an authority share one sequence of numbers (RFC 5280 5.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import func, select, text
from sqlalchemy.orm import defer

from ca import tbs
from ca.authority_signers import signer
from ca.crl_messages import REASON_CODES, CrlFacts, build, entry_der, removal_der
from ca.errors import AuthorityPlanInvalid, CrlUnavailable
from ca.models import Authority, AuthorityRole
from ca.models_publication import CertificateRevocationList
from db import audit, bulk

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from hsm.providers import KeyStore

__all__ = [
    "COMPLETE",
    "DEFAULT_LIFETIME",
    "REASON_CODES",
    "CrlFacts",
    "Scope",
    "build",
    "entry_der",
    "latest",
    "publish",
    "publish_changes",
    "publish_scope",
    "read_entries",
    "scopes",
    "set_shards",
]

DEFAULT_LIFETIME: Final = timedelta(days=7)
"""nextUpdate after thisUpdate; a new list comes at least daily (ETSI EN 319 411-1 6.3.9)."""
DELTA_LIFETIME: Final = timedelta(days=1)
DELTA_FROM_BYTES: Final = 4 * 1024 * 1024
"""About 80,000 entries: from there on a revocation is published by a delta, and the complete list
comes once a day."""
MAX_SHARDS: Final = 1024

List = CertificateRevocationList
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scope:
    """One of an authority's lists."""

    shard: int | None = None
    delta: bool = False

    def path(self, slug: str) -> str:
        """Return its address below `/pki/`."""
        where = slug if self.shard is None else f"{slug}/{self.shard}"
        return f"{where}/delta.crl" if self.delta else f"{where}.crl"


COMPLETE: Final = Scope()


def publish(
    session: Session,
    *,
    authority: Authority,
    keys: KeyStore,
    at: datetime,
    lifetime: timedelta = DEFAULT_LIFETIME,
    actor: str = "system",
) -> List:
    """Sign the next complete CRL of an authority from what is committed, and store it.

    The authority's row is locked until the caller commits: two processes never give out the same
    number, and a higher number never knows less than a lower one. A list that has grown large gets
    a delta at once, so that its freshestCRL points to something.
    """
    work = _Publication(session, authority, keys, at, actor)
    return work.complete(None, lifetime=lifetime)


def publish_scope(
    session: Session,
    *,
    authority: Authority,
    scope: Scope,
    keys: KeyStore,
    at: datetime,
    actor: str = "system",
) -> List:
    """Sign the next list of one scope; a delta gets its complete list if there is none."""
    work = _Publication(session, authority, keys, at, actor)
    if not scope.delta:
        return work.complete(scope.shard, lifetime=DEFAULT_LIFETIME)
    base = _newest(session, authority, Scope(scope.shard))
    if base is None or base.snapshot is None:
        base = work.complete(scope.shard, lifetime=DEFAULT_LIFETIME)
    return work.delta(base)


def publish_changes(
    session: Session, *, authority: Authority, shard: int | None, keys: KeyStore, at: datetime
) -> list[List]:
    """Publish what tells of a change: the partition, and the complete list or its delta."""
    work = _Publication(session, authority, keys, at, "system")
    made = []
    for scope in [shard, None] if shard is not None else [None]:
        base = _newest(session, authority, Scope(scope))
        if base is not None and base.snapshot is not None and _is_large(session, base):
            made.append(work.delta(base))
        else:
            made.append(work.complete(scope, lifetime=DEFAULT_LIFETIME))
    return made


def set_shards(
    session: Session, *, authority: Authority, shards: int, keys: KeyStore, at: datetime, actor: str
) -> None:
    """Let new certificates name one of `shards` partitions, and publish them all.

    The number only grows: certificates in use name the partitions there were. Raises
    AuthorityPlanInvalid.
    """
    if authority.role is not AuthorityRole.ISSUING:
        raise AuthorityPlanInvalid("only the list of an issuing authority has partitions")
    if not max(authority.crl_shards, 1) <= shards <= MAX_SHARDS:
        raise AuthorityPlanInvalid(
            f"from {max(authority.crl_shards, 1)} to {MAX_SHARDS} partitions are possible here"
        )
    before, authority.crl_shards = authority.crl_shards, shards
    session.flush()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="authority.crl_shards",
        object_type="authority",
        object_id=str(authority.id),
        before={"crl_shards": before},
        after={"crl_shards": shards},
    )
    work = _Publication(session, authority, keys, at, actor)
    for shard in range(before, shards):
        work.complete(shard, lifetime=DEFAULT_LIFETIME)


def scopes(session: Session, authority: Authority) -> Iterator[tuple[Scope, List | None]]:
    """Give every list that an authority has to keep up, with its newest issue (None: not yet)."""
    for shard in (None, *range(authority.crl_shards)):
        base = _newest(session, authority, Scope(shard))
        yield Scope(shard), base
        if base is not None and base.snapshot is not None and _is_large(session, base):
            yield Scope(shard, delta=True), _newest(session, authority, Scope(shard, delta=True))


def latest(session: Session, authority: Authority, scope: Scope = COMPLETE) -> List:
    """Find the newest list of a scope; CrlUnavailable before the first."""
    found: List | None = session.scalar(_of_scope(select(List), authority, scope))
    if found is None:
        raise CrlUnavailable(f"{scope.path(authority.slug)} has not been published yet")
    return found


def newest_id(session: Session, authority: Authority, scope: Scope = COMPLETE) -> uuid.UUID:
    """Find the row of the newest list of a scope without reading its octets; CrlUnavailable."""
    found: uuid.UUID | None = session.scalar(_of_scope(select(List.id), authority, scope))
    if found is None:
        raise CrlUnavailable(f"{scope.path(authority.slug)} has not been published yet")
    return found


def encoded(session: Session, list_id: uuid.UUID) -> bytes:
    """Read the octets of a list."""
    query = "SELECT der FROM certificate_revocation_lists WHERE id = %(id)s"
    return _bytes(bulk.fetch(session, query, {"id": list_id})[0][0])


def _newest(session: Session, authority: Authority, scope: Scope) -> List | None:
    """Find what is known of a list but its octets, of which there may be 50 MB."""
    without_octets = select(List).options(defer(List.der))
    return session.scalar(_of_scope(without_octets, authority, scope))


def _of_scope(query: Select[T], authority: Authority, scope: Scope) -> Select[T]:
    same_shard = List.shard.is_(None) if scope.shard is None else List.shard == scope.shard
    kind = List.base_number.is_not(None) if scope.delta else List.base_number.is_(None)
    found = query.where(List.authority_id == authority.id, same_shard, kind)
    return found.order_by(List.number.desc()).limit(1)


def _is_large(session: Session, found: List) -> bool:
    size = session.scalar(select(func.octet_length(List.der)).where(List.id == found.id))
    return (size or 0) >= DELTA_FROM_BYTES


class _Publication:
    """Makes lists of one authority in the caller's transaction, its row locked."""

    def __init__(
        self, session: Session, authority: Authority, keys: KeyStore, at: datetime, actor: str
    ) -> None:
        self._session, self._authority = session, authority
        self._at, self._actor = at, actor
        self._signer = signer(authority, keys=keys)
        session.flush()
        own_row = select(Authority.crl_number).where(Authority.id == authority.id)
        # NO KEY UPDATE: certificates that refer to the authority are issued meanwhile.
        locked = own_row.with_for_update(key_share=True)
        self._number: int = session.execute(locked).scalar_one()

    def complete(self, shard: int | None, *, lifetime: timedelta) -> List:
        snapshot, entries = read_entries(self._session, self._authority, shard)
        delta = Scope(shard, delta=True)
        large = len(entries) >= DELTA_FROM_BYTES
        facts = self._facts(shard, lifetime)
        if large:
            facts = replace(facts, freshest_url=self._url(delta))
        made = self._store(facts, entries, shard=shard, snapshot=snapshot)
        if large:
            self.delta(made)
        return made

    def delta(self, base: List) -> List:
        facts = replace(self._facts(base.shard, DELTA_LIFETIME), base_number=base.number)
        entries = _changed(self._session, self._authority, base)
        return self._store(facts, entries, shard=base.shard, snapshot=None)

    def _url(self, scope: Scope) -> str:
        return f"{self._authority.public_url}/pki/{scope.path(self._authority.slug)}"

    def _facts(self, shard: int | None, lifetime: timedelta) -> CrlFacts:
        authority, begin = self._authority, self._at.replace(microsecond=0)
        partition = tbs.crl_url(authority.public_url, authority.slug, shard)
        return CrlFacts(
            number=self._number + 1,
            this_update=begin,
            next_update=begin + lifetime,
            expired_since=authority.not_before,
            partition_url=partition if shard is not None else None,
        )

    def _store(
        self, facts: CrlFacts, entries: bytes, *, shard: int | None, snapshot: str | None
    ) -> List:
        authority = self._authority
        made = List(
            authority_id=authority.id,
            number=facts.number,
            this_update=facts.this_update,
            next_update=facts.next_update,
            der=build(self._signer, facts=facts, entries=entries),
            shard=shard,
            base_number=facts.base_number,
            snapshot=snapshot,
        )
        authority.crl_number = self._number = facts.number
        self._session.add(made)
        self._session.flush()
        audit.record(
            self._session,
            at=self._at,
            actor=self._actor,
            action="crl.publish",
            object_type="authority",
            object_id=str(authority.id),
            after={
                "number": facts.number,
                "next_update": facts.next_update.isoformat(),
                "shard": shard,
                "base_number": facts.base_number,
            },
        )
        return made


# One statement, so the snapshot is the one that the entries were read in.
_ENTRIES: Final = """
SELECT pg_current_snapshot()::text, (
    SELECT string_agg(crl_entry, ''::bytea) FROM certificates
    WHERE authority_id = %(authority)s AND crl_entry IS NOT NULL
    AND (%(shard)s::int IS NULL OR crl_shard = %(shard)s)
), (
    SELECT string_agg(crl_entry, ''::bytea) FROM authorities
    WHERE issuer_id = %(authority)s AND crl_entry IS NOT NULL AND %(shard)s::int IS NULL
)
"""
_ALONE: Final = text("SET LOCAL max_parallel_workers_per_gather = 0")
_CHANGED: Final = """
WITH changed AS (
    SELECT certificate_id, max(at) AS at FROM status_events
    WHERE transaction >= pg_snapshot_xmin(%(base)s::pg_snapshot)::text::bigint
    AND NOT pg_visible_in_snapshot(transaction::text::xid8, %(base)s::pg_snapshot)
    AND authority_id = %(authority)s GROUP BY certificate_id
)
SELECT crl_entry, serial_number, at FROM changed
JOIN certificates ON certificates.id = changed.certificate_id
WHERE %(shard)s::int IS NULL OR crl_shard = %(shard)s
UNION ALL
SELECT crl_entry, '', at FROM changed JOIN authorities ON authorities.id = changed.certificate_id
WHERE %(shard)s::int IS NULL AND crl_entry IS NOT NULL
"""


def read_entries(session: Session, authority: Authority, shard: int | None) -> tuple[str, bytes]:
    """Give the snapshot and the joined entries: one value to fetch instead of a million rows."""
    # Workers that join parts of one value copy it three times more than one that joins it alone.
    session.execute(_ALONE)
    values = {"authority": authority.id, "shard": shard}
    ((snapshot, subscribers, authorities),) = bulk.fetch(session, _ENTRIES, values)
    return str(snapshot), _bytes(authorities) + _bytes(subscribers)


def _changed(session: Session, authority: Authority, base: List) -> bytes:
    values = {"authority": authority.id, "shard": base.shard, "base": base.snapshot}
    found = bulk.fetch(session, _CHANGED, values)
    return b"".join(
        _bytes(entry) if entry is not None else _removal(serial, at) for entry, serial, at in found
    )


def _removal(serial: object, at: object) -> bytes:
    if not isinstance(at, datetime):
        raise TypeError("status_events.at is a time")
    return removal_der(int(str(serial), 16), at)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
