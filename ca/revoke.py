"""Ending and pausing certificates: revoke, suspend, restore.

One transaction writes everything that follows from a decision: the status, its history, the audit
entry, the entry of the next CRL and the OCSP answer. The job that publishes the CRL is enqueued in
it too, so neither can happen without the other. Revoked is final.

Of a certificate that was issued elsewhere only our record changes: its CRL and its OCSP answers are
its issuer's, and `ca.issuer_watch` tells when the two part.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from ca import crl, ocsp, public_keys, status_history
from ca.errors import (
    AlreadyRevoked,
    CertificateNotFound,
    ReasonInvalid,
    TransitionNotAllowed,
)
from ca.models import Certificate, CertificateStatus
from ca.revocation_reasons import RevocationReason
from db import audit, jobs
from hsm.providers import KeyStore

Status = CertificateStatus

TRANSITIONS: Final = {
    Status.ISSUING: frozenset({Status.ACTIVE, Status.ABANDONED}),
    Status.ACTIVE: frozenset({Status.SUSPENDED, Status.REVOKED}),
    Status.SUSPENDED: frozenset({Status.ACTIVE, Status.REVOKED}),
    Status.REVOKED: frozenset[CertificateStatus](),
    Status.ABANDONED: frozenset[CertificateStatus](),
}
"""The life of a certificate; `ca.issue` makes the first step, this module the others."""

PUBLISH_JOB: Final = "ca.publish_crl"


@dataclass(frozen=True)
class _Step:
    """One decision on one certificate."""

    status: CertificateStatus
    reason: RevocationReason | None
    invalidity_at: datetime | None
    action: str


def revoke(  # noqa: PLR0913 -- the facts of one revocation; nowhere else would they meet in a type
    session: Session,
    *,
    certificate_id: uuid.UUID,
    reason: RevocationReason,
    invalidity_at: datetime | None = None,
    keys: KeyStore,
    at: datetime,
    actor: str,
) -> Certificate:
    """Revoke an active or suspended certificate for ever (RFC 5280 5.3).

    `invalidity_at` is when the key was known or suspected to be lost: not in the future, not before
    the certificate began. A compromised key is blocked as well. Raises CertificateNotFound,
    AlreadyRevoked, TransitionNotAllowed or ReasonInvalid.
    """
    certificate = revoke_unannounced(
        session,
        certificate_id=certificate_id,
        reason=reason,
        invalidity_at=invalidity_at,
        keys=keys,
        at=at,
        actor=actor,
    )
    announce(session, [certificate])
    return certificate


def revoke_unannounced(  # noqa: PLR0913 -- as above
    session: Session,
    *,
    certificate_id: uuid.UUID,
    reason: RevocationReason,
    invalidity_at: datetime | None = None,
    keys: KeyStore,
    at: datetime,
    actor: str,
) -> Certificate:
    """Revoke one of many: as `revoke`, but `announce` is left to the caller, last of all."""
    if reason is RevocationReason.CERTIFICATE_HOLD:
        raise ReasonInvalid("certificate_hold suspends; it does not revoke", reason="hold")
    step = _Step(Status.REVOKED, reason, invalidity_at, "certificate.revoke")
    certificate = _take(session, certificate_id, step, keys=keys, at=at, actor=actor)
    if reason is RevocationReason.KEY_COMPROMISE and certificate.spki_sha256 is not None:
        public_keys.block(
            session,
            spki_sha256=certificate.spki_sha256,
            reason=reason.value,
            at=at,
            actor=actor,
        )
    return certificate


def suspend(
    session: Session, *, certificate_id: uuid.UUID, keys: KeyStore, at: datetime, actor: str
) -> Certificate:
    """Pause an active certificate (certificateHold); only `restore` or `revoke` come after it."""
    step = _Step(Status.SUSPENDED, RevocationReason.CERTIFICATE_HOLD, None, "certificate.suspend")
    certificate = _take(session, certificate_id, step, keys=keys, at=at, actor=actor)
    announce(session, [certificate])
    return certificate


def restore(
    session: Session, *, certificate_id: uuid.UUID, keys: KeyStore, at: datetime, actor: str
) -> Certificate:
    """Bring a suspended certificate back; it leaves the CRL (RFC 5280 5.3.1)."""
    step = _Step(Status.ACTIVE, None, None, "certificate.restore")
    certificate = _take(session, certificate_id, step, keys=keys, at=at, actor=actor)
    announce(session, [certificate])
    return certificate


def _take(
    session: Session,
    certificate_id: uuid.UUID,
    step: _Step,
    *,
    keys: KeyStore,
    at: datetime,
    actor: str,
) -> Certificate:
    certificate = _locked(session, certificate_id)
    _check(certificate, step, at)
    moment = status_history.next_moment(session, certificate, at)
    before = _facts(certificate)
    _apply(certificate, step, moment)
    status_history.note(session, certificate, moment=moment, actor=actor)
    if certificate.authority_id is not None:
        ocsp.presign(session, certificate=certificate, keys=keys, at=moment)
    audit.record(
        session,
        at=moment,
        actor=actor,
        action=step.action,
        object_type="certificate",
        object_id=str(certificate.id),
        before=before,
        after=_facts(certificate),
    )
    return certificate


def announce(session: Session, certificates: Iterable[Certificate]) -> None:
    """Have the lists published that these certificates of ours stand in, once each.

    Who enqueues the same job waits until this transaction has ended, so it comes last in it.
    """
    lists = {(one.authority_id, one.crl_shard) for one in certificates if one.authority_id}
    for authority, shard in sorted(lists, key=str):
        jobs.enqueue(
            session,
            job=PUBLISH_JOB,
            payload={"authority_id": str(authority), "shard": shard},
            unique=str(authority) if shard is None else f"{authority}/{shard}",
        )


def _locked(session: Session, certificate_id: uuid.UUID) -> Certificate:
    # NO KEY UPDATE: who signs with it now refers to it, and others share the statement with him.
    found = session.get(
        Certificate, certificate_id, with_for_update={"key_share": True}, populate_existing=True
    )
    if found is None:
        raise CertificateNotFound(f"no certificate {certificate_id}")
    return found


def _check(certificate: Certificate, step: _Step, at: datetime) -> None:
    current = certificate.status
    if current is Status.REVOKED:
        raise AlreadyRevoked(current.value, step.status.value)
    if current is Status.ISSUING or step.status not in TRANSITIONS[current]:
        raise TransitionNotAllowed(current.value, step.status.value)
    if step.invalidity_at is None:
        return
    if step.invalidity_at > at:
        raise ReasonInvalid("the invalidity date lies in the future", reason="future")
    if step.invalidity_at < certificate.not_before:
        raise ReasonInvalid(
            "the invalidity date lies before the certificate began", reason="before_begin"
        )


def _apply(certificate: Certificate, step: _Step, moment: datetime) -> None:
    status_history.turn(certificate, step.status, reason=step.reason, moment=moment)
    certificate.invalidity_at = step.invalidity_at
    certificate.crl_entry = (
        None
        if step.status is Status.ACTIVE or certificate.authority_id is None
        else crl.entry_der(
            int(certificate.serial_number, 16), moment, step.reason, step.invalidity_at
        )
    )


def _facts(certificate: Certificate) -> dict[str, object]:
    reason, invalidity_at = certificate.revocation_reason, certificate.invalidity_at
    return {
        "status": certificate.status.value,
        "serial_number": certificate.serial_number,
        "reason": reason.value if reason else None,
        "invalidity_at": invalidity_at.isoformat() if invalidity_at else None,
    }
