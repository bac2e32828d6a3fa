"""Work for the background: keep CRLs and OCSP answers ahead of their nextUpdate, find open intents.

Each function takes what every job gets - sessions, keys, the time and its payload - and may run
twice, or in two workers at once, without harm. The worker binds the first two and a clock.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import select

from ca import crl, issue, ocsp, publication_jobs, registry_jobs
from ca.errors import AuthorityNotFound
from ca.models import Authority, AuthorityRole, Certificate, CertificateStatus
from ca.models_publication import CertificateRevocationList, OcspAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from hsm.providers import KeyStore

CRL_INTERVAL: Final = timedelta(hours=20)
"""A new list at least daily (ETSI EN 319 411-1 6.3.9), with room for a failed try."""
DELTA_INTERVAL: Final = timedelta(hours=12)
"""For a delta that nothing was added to."""
INTENT_AGE: Final = timedelta(minutes=5)
"""An intent older than this is not one that somebody is completing right now."""
RENEW_BATCH: Final = 200
"""Answers signed in one transaction."""
MAX_RENEWALS: Final = 20_000
"""In one run; the next run goes on."""

_log = logging.getLogger(__name__)


class Job(Protocol):
    """The shape of every job here."""

    def __call__(
        self,
        sessions: sessionmaker[Session],
        keys: KeyStore,
        at: datetime,
        payload: Mapping[str, object],
        /,
    ) -> object:
        """Do the work; what it returns is for tests and logs."""


def publish_crl(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> list[int]:
    """Publish what tells of a change at the authority `payload["authority_id"]`; the numbers.

    `payload["shard"]` is the partition of the certificate that changed.
    """
    shard = payload.get("shard")
    with sessions.begin() as session:
        authority = _authority(session, payload["authority_id"])
        made = crl.publish_changes(
            session,
            authority=authority,
            shard=int(str(shard)) if shard is not None else None,
            keys=keys,
            at=at,
        )
        return [one.number for one in made]


def publish_due_crls(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Publish every list that is old or missing, of every CA; how many were published."""
    del payload
    with sessions() as session:
        roles = (AuthorityRole.ROOT, AuthorityRole.ISSUING)
        query = select(Authority).where(Authority.role.in_(roles), Authority.not_after > at)
        due = [
            (authority.id, scope)
            for authority in session.scalars(query)
            for scope, newest in crl.scopes(session, authority)
            if newest is None or _is_due(newest, at)
        ]
    for authority_id, scope in due:
        with sessions.begin() as session:
            authority = _authority(session, authority_id)
            crl.publish_scope(session, authority=authority, scope=scope, keys=keys, at=at)
    return len(due)


def _authority(session: Session, authority_id: object) -> Authority:
    found = session.get(Authority, uuid.UUID(str(authority_id)))
    if found is None:
        raise AuthorityNotFound(str(authority_id))
    return found


def _is_due(newest: CertificateRevocationList, at: datetime) -> bool:
    if newest.base_number is not None:
        return newest.this_update + DELTA_INTERVAL <= at
    return newest.this_update + CRL_INTERVAL <= at or newest.next_update <= at + CRL_INTERVAL


def renew_ocsp_answers(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Sign the stored answers anew that are near their nextUpdate; how many were signed.

    Those of expired certificates are left to be signed when somebody asks.
    """
    del payload
    service = ocsp.OcspService(keys)
    renewed = 0
    while renewed < MAX_RENEWALS:
        with sessions.begin() as session:
            batch = _answers_near_end(session, at)
            for certificate in batch:
                service.presign(session, certificate, at=at)
        if not batch:
            break
        renewed += len(batch)
    return renewed


def _answers_near_end(session: Session, at: datetime) -> list[Certificate]:
    """Lock some certificates whose answer runs out; those that another holds are passed over."""
    query = (
        select(Certificate)
        .join(OcspAnswer, OcspAnswer.certificate_id == Certificate.id)
        .where(
            OcspAnswer.next_update <= at + ocsp.RENEW_BEFORE,
            Certificate.not_after > at,
            Certificate.status != CertificateStatus.ISSUING,
        )
        .order_by(OcspAnswer.next_update)
        .limit(RENEW_BATCH)
        .with_for_update(of=Certificate, skip_locked=True, key_share=True)
    )
    return list(session.scalars(query))


def report_open_intents(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> list[uuid.UUID]:
    """List the certificates whose issuing stopped half-way, for an administrator to decide on.

    Nothing is signed or abandoned here: whether the token made a signature, only a person can find
    out.
    """
    del keys, payload
    with sessions() as session:
        found = issue.open_intents(session, before=at - INTENT_AGE)
    for certificate in found:
        _log.warning(
            "issuing of certificate %s (serial number %s) was begun at %s and not completed",
            certificate.id,
            certificate.serial_number,
            certificate.created_at.isoformat(),
        )
    return [certificate.id for certificate in found]


JOBS: Final[Mapping[str, Job]] = {
    "ca.publish_crl": publish_crl,
    "ca.publish_due_crls": publish_due_crls,
    "ca.renew_ocsp_answers": renew_ocsp_answers,
    "ca.report_open_intents": report_open_intents,
    **publication_jobs.JOBS,
    **registry_jobs.JOBS,
}
"""What the worker registers, by name."""

SCHEDULE: Final[Mapping[str, str]] = {
    "ca.publish_due_crls": "*/30 * * * *",
    "ca.renew_ocsp_answers": "*/15 * * * *",
    "ca.report_open_intents": "7 * * * *",
    **publication_jobs.SCHEDULE,
    **registry_jobs.SCHEDULE,
}
"""When the periodic ones run, as five-field cron lines (UTC)."""
