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

from ca import crl, issue, ocsp, registry_jobs
from ca.errors import AuthorityNotFound, CrlUnavailable
from ca.models import (
    Authority,
    AuthorityRole,
    Certificate,
    CertificateStatus,
    OcspAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from hsm.providers import KeyStore

CRL_INTERVAL: Final = timedelta(hours=20)
"""A new list at least daily (ETSI EN 319 411-1 6.3.9), with room for a failed try."""
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
) -> int:
    """Publish the next CRL of the authority in `payload["authority_id"]`; its number."""
    with sessions.begin() as session:
        authority = session.get(Authority, uuid.UUID(str(payload["authority_id"])))
        if authority is None:
            raise AuthorityNotFound(str(payload["authority_id"]))
        return crl.publish(session, authority=authority, keys=keys, at=at).number


def publish_due_crls(
    sessions: sessionmaker[Session], keys: KeyStore, at: datetime, payload: Mapping[str, object]
) -> int:
    """Publish a new CRL for every CA whose newest is old or missing; how many were published."""
    del payload
    with sessions() as session:
        roles = (AuthorityRole.ROOT, AuthorityRole.ISSUING)
        query = select(Authority).where(Authority.role.in_(roles), Authority.not_after > at)
        due = [
            authority.id for authority in session.scalars(query) if _is_due(session, authority, at)
        ]
    for authority_id in due:
        publish_crl(sessions, keys, at, {"authority_id": str(authority_id)})
    return len(due)


def _is_due(session: Session, authority: Authority, at: datetime) -> bool:
    try:
        newest = crl.latest(session, authority)
    except CrlUnavailable:
        return True
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
    **registry_jobs.JOBS,
}
"""What the worker registers, by name."""

SCHEDULE: Final[Mapping[str, str]] = {
    "ca.publish_due_crls": "*/30 * * * *",
    "ca.renew_ocsp_answers": "*/15 * * * *",
    "ca.report_open_intents": "7 * * * *",
    **registry_jobs.SCHEDULE,
}
"""When the periodic ones run, as five-field cron lines (UTC)."""
