"""Rows that issuing many certificates at once reads and writes; all in the caller's transaction."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import ARRAY, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.orm import Session

from ca.errors import KeyUnacceptable
from ca.models import (
    CertificateKind,
    CertificateRequest,
    CertificateStatus,
    Organization,
    RequestKind,
    RequestState,
    Subscriber,
    SubscriberKind,
)
from ca.public_keys import check_owner
from db import bulk
from db.base import Base, uuid7


@dataclass(frozen=True, slots=True)
class SubscriberFacts:
    """What a certificate says of its subscriber."""

    id: uuid.UUID
    kind: SubscriberKind
    full_name: str
    given_name: str | None
    surname: str | None
    post: str | None


@dataclass(frozen=True, slots=True)
class OrganizationFacts:
    """What a certificate says of its subscriber's organisation."""

    id: uuid.UUID
    code: str
    name: str
    identifier: str | None


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A locked request with those it is about."""

    columns: dict[str, object]
    id: uuid.UUID
    kind: RequestKind
    state: RequestState
    profile: str
    requested_by: str
    csr: bytes | None
    key_algorithm: str | None
    subscriber: SubscriberFacts
    organization: OrganizationFacts


_requests = Base.metadata.tables[CertificateRequest.__tablename__]
_subscribers = Base.metadata.tables[Subscriber.__tablename__]
_organizations = Base.metadata.tables[Organization.__tablename__]
_OF_SUBSCRIBER: Final = tuple(SubscriberFacts.__dataclass_fields__)
_OF_ORGANIZATION: Final = tuple(OrganizationFacts.__dataclass_fields__)
_OF_REQUEST: Final = tuple(column.name for column in _requests.columns)
_READ: Final = (
    select(
        *_requests.columns,
        *(_subscribers.c[name] for name in _OF_SUBSCRIBER),
        *(_organizations.c[name] for name in _OF_ORGANIZATION),
    )
    .join(_subscribers, _subscribers.c.id == _requests.c.subscriber_id)
    .join(_organizations, _organizations.c.id == _requests.c.organization_id)
    .order_by(_requests.c.id)  # one order for all, so that two batches never wait crosswise
    .with_for_update(of=_requests)
)


_READ_SQL: Final = str(
    _READ.where(_requests.c.id == func.any(bindparam("ids", type_=ARRAY(Uuid())))).compile(
        dialect=PGDialect_psycopg()  # type: ignore[no-untyped-call] # as the library has it
    )
)
_KINDS: Final = {one.value: one for one in RequestKind}
_STATES: Final = {one.value: one for one in RequestState}
_CERTIFICATE_KINDS: Final = {one.value: one for one in CertificateKind}
_SUBSCRIBER_KINDS: Final = {one.value: one for one in SubscriberKind}


def lock_requests(session: Session, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, RequestFacts]:
    """Lock the requests that exist, and read them with subscriber and organisation."""
    found: dict[uuid.UUID, RequestFacts] = {}
    units: dict[object, OrganizationFacts] = {}
    first, second = len(_OF_REQUEST), len(_OF_REQUEST) + len(_OF_SUBSCRIBER)
    for row in cast("list[tuple[Any, ...]]", bulk.fetch(session, _READ_SQL, {"ids": list(ids)})):
        columns = dict(zip(_OF_REQUEST, row[:first], strict=True))
        columns["kind"] = _KINDS[columns["kind"]]
        columns["state"] = _STATES[columns["state"]]
        kind = columns["certificate_kind"]
        columns["certificate_kind"] = _CERTIFICATE_KINDS[kind] if kind else None
        subscriber_id, subscriber_kind, *names = row[first:second]
        unit = units.get(row[second])
        if unit is None:
            unit = units[row[second]] = OrganizationFacts(*row[second:])
        found[row[0]] = RequestFacts(
            columns=columns,
            id=row[0],
            kind=columns["kind"],
            state=columns["state"],
            profile=columns["profile"],
            requested_by=columns["requested_by"],
            csr=columns["csr"],
            key_algorithm=columns["key_algorithm"],
            subscriber=SubscriberFacts(subscriber_id, _SUBSCRIBER_KINDS[subscriber_kind], *names),
            organization=unit,
        )
    return found


# The update changes nothing; it locks the row and makes RETURNING give it, old or new.
_CLAIM: Final = """
INSERT INTO public_keys AS known (spki_sha256, subscriber_id, first_seen_at)
SELECT spki, owner, %(at)s FROM unnest(%(hashes)b::text[], %(owners)b::uuid[]) AS new (spki, owner)
ON CONFLICT (spki_sha256) DO UPDATE SET first_seen_at = known.first_seen_at
RETURNING spki_sha256, subscriber_id, blocked_at
"""


def claim_keys(
    session: Session, claims: Sequence[tuple[str, uuid.UUID]], *, at: datetime
) -> dict[str, KeyUnacceptable | uuid.UUID | None]:
    """Claim keys (SPKI hash, subscriber) as `public_keys.claim` does, all in one statement.

    Gives for each hash its owner, or why it must not be certified for anybody.
    """
    wanted = dict(reversed(claims))  # the first who claims a key counts
    hashes = sorted(wanted)
    values = {"hashes": hashes, "owners": [wanted[one] for one in hashes], "at": at}
    found = cast(
        "list[tuple[str, uuid.UUID | None, datetime | None]]", bulk.fetch(session, _CLAIM, values)
    )
    verdicts: dict[str, KeyUnacceptable | uuid.UUID | None] = {}
    for spki, owner, blocked_at in found:
        try:
            check_owner(owner, blocked_at, wanted[spki])
            verdicts[spki] = owner
        except KeyUnacceptable as e:
            verdicts[spki] = e
    return verdicts


def check_claim(verdict: KeyUnacceptable | uuid.UUID | None, subscriber_id: uuid.UUID) -> None:
    """Raise KeyUnacceptable unless the claim gave the key to this subscriber."""
    if isinstance(verdict, KeyUnacceptable):
        raise verdict
    check_owner(verdict, None, subscriber_id)


_OPEN: Final = """
SELECT id, tbs FROM certificates WHERE id = ANY(%(ids)s) AND status = 'issuing'
ORDER BY id FOR UPDATE
"""


def lock_intents(session: Session, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes | None]:
    """Lock the intents that are still open, and give what each is to have signed."""
    rows = bulk.fetch(session, _OPEN, {"ids": list(ids)})
    return dict(cast("list[tuple[uuid.UUID, bytes | None]]", rows))


_GENERATED: Final = """
UPDATE certificate_requests SET state = 'key_generated', decided_by = new.decided_by,
    decided_at = new.decided_at, decision_note = new.note
FROM unnest(%(ids)b::uuid[], %(by)b::text[], %(at)b::timestamptz[], %(notes)b::text[])
    AS new (id, decided_by, decided_at, note)
WHERE certificate_requests.id = new.id
"""


def store_generated(session: Session, requests: Sequence[Mapping[str, object]]) -> None:
    """Note that what these locked requests are to have signed is written down."""
    values = {
        "ids": [one["id"] for one in requests],
        "by": [one["decided_by"] for one in requests],
        "at": [one["decided_at"] for one in requests],
        "notes": [one["decision_note"] for one in requests],
    }
    bulk.execute(session, _GENERATED, values)


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate that was signed a moment ago, and what is stored with it."""

    certificate_id: uuid.UUID
    encoded: bytes
    actor: str
    ocsp_answer: bytes


# The arrays have one member for each certificate; what all have in common stands there once.
_SIGNED: Final = """
WITH new AS (
    SELECT * FROM unnest(%(ids)b::uuid[], %(encoded)b::bytea[], %(changes)b::uuid[],
        %(actors)b::text[], %(answers)b::bytea[]) AS n (id, der, change_id, actor, answer)
), active AS (
    UPDATE certificates c SET status = 'active', der = new.der, tbs = NULL, issued_at = %(at)s,
        sha256_fingerprint = encode(sha256(new.der), 'hex')
    FROM new WHERE c.id = new.id RETURNING c.id, c.authority_id, c.serial_number, c.request_id
), requests AS (
    UPDATE certificate_requests r SET state = 'issued' FROM active WHERE r.id = active.request_id
), changes AS (
    INSERT INTO certificate_status_changes (id, certificate_id, at, status, actor)
    SELECT change_id, id, %(at)s, 'active', actor FROM new
)
INSERT INTO ocsp_answers (certificate_id, authority_id, serial_number, this_update, next_update,
    der)
SELECT active.id, active.authority_id, active.serial_number, %(this_update)s, %(next_update)s,
    new.answer
FROM active JOIN new ON new.id = active.id
"""


def store_signed(
    session: Session,
    signed: Sequence[Signed],
    *,
    at: datetime,
    ocsp_times: tuple[datetime, datetime],
) -> list[dict[str, object]]:
    """Turn open intents into active certificates, with their history and their OCSP answers.

    Gives the columns of the certificates that changed, in the same order.
    """
    values = {
        "ids": [one.certificate_id for one in signed],
        "encoded": [one.encoded for one in signed],
        "changes": [uuid7() for _ in signed],
        "actors": [one.actor for one in signed],
        "answers": [one.ocsp_answer for one in signed],
        "at": at,
        "this_update": ocsp_times[0],
        "next_update": ocsp_times[1],
    }
    bulk.execute(session, _SIGNED, values)
    return [
        {
            "status": CertificateStatus.ACTIVE,
            "der": one.encoded,
            "tbs": None,
            "sha256_fingerprint": hashlib.sha256(one.encoded).hexdigest(),
            "issued_at": at,
        }
        for one in signed
    ]
