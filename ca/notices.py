"""Notices before a certificate ends: by crossing of thresholds, each once, to whom it concerns.

What was crossed is a matter of dates and not of when the job ran: after a downtime the threshold
that counts now is told, and those that passed meanwhile are not told after it. The holder is told
by e-mail, and every channel of the holder's organisation and of the ones above it. Notices to one
address travel together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from ca import organizations
from ca.errors_registry import NoticeInvalid
from ca.models import Certificate, CertificateStatus, Organization, Subscriber
from ca.models_notices import ChannelKind, Notice, NoticeChannel, NoticeState
from db import audit
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

THRESHOLDS: Final = (90, 60, 30, 15, 7, 1)
"""Days before the end, as offices plan renewals; the last one is the day before."""

MAX_TOGETHER: Final = 200
"""Certificates in one message."""
MAX_ATTEMPTS: Final = 12
PAGE: Final = 2_000
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f,;<>]{1,64}@[A-Za-z0-9.\-]{1,255}")
_ADDRESS: Final = re.compile(r"https?://[^\s\x00-\x1f]{1,2000}")


@dataclass(frozen=True, slots=True)
class Ending:
    """One certificate that ends, as a message names it."""

    certificate_id: uuid.UUID
    serial_number: str
    common_name: str
    organization: str
    not_after: datetime
    days_left: int


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to one address; `id` is the same when it is sent again after a failure."""

    id: str
    target: str
    endings: tuple[Ending, ...]


class Undeliverable(Exception):
    """A message could not be handed over; it is tried again later. Raised by transports."""


class Transport(Protocol):
    """Hands messages over: SMTP, or a webhook."""

    def send(self, message: Message) -> None:
        """Hand one message over; Undeliverable when it could not be."""


def add_channel(
    session: Session,
    *,
    organization_id: uuid.UUID,
    kind: ChannelKind,
    target: str,
    at: datetime,
    actor: str,
) -> NoticeChannel:
    """Send the notices of a part of the tree to an address too; raise NoticeInvalid."""
    organizations.get(session, organization_id)
    pattern = _EMAIL if kind is ChannelKind.EMAIL else _ADDRESS
    if not pattern.fullmatch(target):
        raise NoticeInvalid(f"{target[:80]!r} is no address of kind {kind.value}")
    values = {
        "id": uuid7(),
        "organization_id": organization_id,
        "kind": kind,
        "target": target,
        "created_at": at,
        "created_by": actor,
    }
    made = session.scalars(
        insert(NoticeChannel)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["organization_id", "kind", "target"], set_={"target": target}
        )
        .returning(NoticeChannel)
    ).one()
    audit.record(
        session,
        at=at,
        actor=actor,
        action="notice_channel.add",
        object_type="organization",
        object_id=str(organization_id),
        after={"kind": kind.value, "target": target},
    )
    return made


def channels(session: Session, *, under: uuid.UUID | None) -> list[NoticeChannel]:
    """Return the channels of a subtree, or all."""
    query = select(NoticeChannel).order_by(NoticeChannel.id)
    if under is not None:
        query = query.where(NoticeChannel.organization_id.in_(organizations.subtree(under)))
    return list(session.scalars(query))


def channels_to(session: Session, kind: ChannelKind, target: str) -> list[NoticeChannel]:
    """Return the channels that lead to one address."""
    query = select(NoticeChannel).where(NoticeChannel.kind == kind, NoticeChannel.target == target)
    return list(session.scalars(query.order_by(NoticeChannel.id)))


def remove_channel(session: Session, channel: NoticeChannel, *, at: datetime, actor: str) -> None:
    """Send no more notices to an address."""
    audit.record(
        session,
        at=at,
        actor=actor,
        action="notice_channel.remove",
        object_type="organization",
        object_id=str(channel.organization_id),
        before={"kind": channel.kind.value, "target": channel.target},
    )
    session.delete(channel)
    session.flush()


def threshold_at(not_after: datetime, at: datetime) -> int | None:
    """Return the smallest threshold that is crossed at a time, None before the first and after."""
    if not_after <= at:
        return None
    crossed = [days for days in THRESHOLDS if not_after - at <= timedelta(days=days)]
    return min(crossed, default=None)


def plan(sessions: sessionmaker[Session], *, at: datetime) -> int:
    """Make the notices that are due and were not made yet; how many. Commits as it goes."""
    made, last = 0, None
    while True:
        with sessions.begin() as session:
            page = _ending(session, at=at, after=last)
            rows = _due(session, page, at)
            if rows:
                statement = insert(Notice).values(rows).on_conflict_do_nothing()
                made += len(session.execute(statement.returning(Notice.id)).all())
        if len(page) < PAGE:
            return made
        last = page[-1][0].id


def deliver(
    sessions: sessionmaker[Session],
    transports: Mapping[ChannelKind, Transport],
    *,
    at: datetime,
) -> int:
    """Hand over what waits, one message for each address; how many notices went out.

    A message that cannot be handed over is tried again, later each time, and given up in the end.
    Each is in a transaction of its own, locked, so that two workers never send the same.
    """
    sent = 0
    tried: set[tuple[ChannelKind, str]] = set()
    while True:
        with sessions.begin() as session:
            found = _next_address(session, transports, tried, at)
            if found is None:
                return sent
            tried.add(found)
            sent += _send(session, transports[found[0]], found, at)


def _ending(
    session: Session, *, at: datetime, after: uuid.UUID | None
) -> list[tuple[Certificate, Subscriber]]:
    """Return certificates in force that end soon and have no successor, with their holders."""
    newer = aliased(Certificate)
    renewed = select(newer.id).where(
        newer.predecessor_id == Certificate.id, newer.status == CertificateStatus.ACTIVE
    )
    query = (
        select(Certificate, Subscriber)
        .join(Subscriber, Subscriber.id == Certificate.subscriber_id)
        .where(
            Certificate.status.in_([CertificateStatus.ACTIVE, CertificateStatus.SUSPENDED]),
            Certificate.not_after > at,
            Certificate.not_after <= at + timedelta(days=THRESHOLDS[0]),
            ~renewed.exists(),
        )
        .order_by(Certificate.id)
        .limit(PAGE)
    )
    if after is not None:
        query = query.where(Certificate.id > after)
    return [(row[0], row[1]) for row in session.execute(query)]


def _due(
    session: Session, page: Sequence[tuple[Certificate, Subscriber]], at: datetime
) -> list[dict[str, object]]:
    by_unit = _channels_by_unit(session, {certificate.organization_id for certificate, _ in page})
    rows: list[dict[str, object]] = []
    for certificate, holder in page:
        addresses = set(by_unit[certificate.organization_id])
        if holder.email:
            addresses.add((ChannelKind.EMAIL, holder.email))
        common: dict[str, object] = {
            "certificate_id": certificate.id,
            "threshold": threshold_at(certificate.not_after, at),
            "state": NoticeState.WAITING,
            "made_at": at,
            "attempts": 0,
            "next_try_at": at,
        }
        rows += [
            {"id": uuid7(), "kind": kind, "target": target, **common}
            for kind, target in sorted(addresses)
        ]
    return rows


def _channels_by_unit(
    session: Session, units: set[uuid.UUID]
) -> dict[uuid.UUID, set[tuple[ChannelKind, str]]]:
    """Return, for each unit, the channels of it and of everything above it."""
    own: dict[uuid.UUID, set[tuple[ChannelKind, str]]] = defaultdict(set)
    for channel in session.scalars(select(NoticeChannel)):
        own[channel.organization_id].add((channel.kind, channel.target))
    found: dict[uuid.UUID, set[tuple[ChannelKind, str]]] = defaultdict(set)
    if own:
        for unit in units:
            for above in organizations.ancestors(session, unit):
                found[unit] |= own.get(above.id, set())
    return found


def _next_address(
    session: Session,
    transports: Mapping[ChannelKind, Transport],
    tried: set[tuple[ChannelKind, str]],
    at: datetime,
) -> tuple[ChannelKind, str] | None:
    query = (
        select(Notice.kind, Notice.target)
        .where(
            Notice.state == NoticeState.WAITING,
            Notice.next_try_at <= at,
            Notice.kind.in_(list(transports)),
        )
        .distinct()
    )
    for kind, target in session.execute(query):
        if (kind, target) not in tried:
            return kind, target
    return None


def _send(
    session: Session, transport: Transport, address: tuple[ChannelKind, str], at: datetime
) -> int:
    notices = _waiting(session, address, at)
    if not notices:
        return 0
    endings = _named(session, notices, at)
    try:
        transport.send(Message(str(notices[0].id), address[1], endings))
    except Undeliverable as problem:
        _put_off(notices, problem, at)
        return 0
    for notice in notices:
        notice.state, notice.sent_at, notice.last_problem = NoticeState.SENT, at, None
    audit.record(
        session,
        at=at,
        actor="system",
        action="notice.send",
        object_type="notice",
        object_id=str(notices[0].id),
        after={"kind": address[0].value, "target": address[1], "certificates": len(notices)},
    )
    return len(notices)


def _waiting(session: Session, address: tuple[ChannelKind, str], at: datetime) -> list[Notice]:
    """Lock the notices to one address whose time has come; those of another process are left."""
    kind, target = address
    query = (
        select(Notice)
        .where(
            Notice.state == NoticeState.WAITING,
            Notice.next_try_at <= at,
            Notice.kind == kind,
            Notice.target == target,
        )
        .order_by(Notice.id)
        .limit(MAX_TOGETHER)
    )
    return list(session.scalars(query.with_for_update(skip_locked=True)))


def _put_off(notices: Iterable[Notice], problem: Undeliverable, at: datetime) -> None:
    """Try again later, each time twice as much later; at last give up."""
    for notice in notices:
        notice.attempts += 1
        notice.last_problem = str(problem)[:200]
        notice.next_try_at = at + timedelta(minutes=5) * 2 ** min(notice.attempts, 8)
        if notice.attempts >= MAX_ATTEMPTS:
            notice.state = NoticeState.GIVEN_UP


def _named(session: Session, notices: Sequence[Notice], at: datetime) -> tuple[Ending, ...]:
    query = (
        select(Certificate, Organization.name)
        .join(Organization, Organization.id == Certificate.organization_id)
        .where(Certificate.id.in_({notice.certificate_id for notice in notices}))
        .order_by(Certificate.not_after, Certificate.id)
    )
    return tuple(
        Ending(
            certificate_id=row[0].id,
            serial_number=row[0].serial_number,
            common_name=row[0].common_name,
            organization=row[1],
            not_after=row[0].not_after,
            days_left=max(0, (row[0].not_after - at).days),
        )
        for row in session.execute(query)
    )
