"""The history of a certificate's status: whatever a row becomes is a line of it, in the same flush.

Reports as of a date read the last change at or before it, so a history has to run forward.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from db.base import uuid7

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ca.revocation_reasons import RevocationReason

_TICK: Final = timedelta(microseconds=1)


def next_moment(session: Session, certificate: Certificate, at: datetime) -> datetime:
    """Return `at`, or the tick after the last change where that was noted by a clock ahead."""
    last = session.scalar(
        select(func.max(CertificateStatusChange.at)).where(
            CertificateStatusChange.certificate_id == certificate.id
        )
    )
    return at if last is None else max(at, last + _TICK)


def turn(
    certificate: Certificate,
    status: CertificateStatus,
    *,
    reason: RevocationReason | None,
    moment: datetime,
) -> None:
    """Give a locked row another status since that moment."""
    certificate.status = status
    certificate.suspended_at = moment if status is CertificateStatus.SUSPENDED else None
    certificate.revoked_at = moment if status is CertificateStatus.REVOKED else None
    certificate.revocation_reason = reason


def note(
    session: Session,
    certificate: Certificate,
    *,
    moment: datetime,
    actor: str,
    recorded_at: datetime | None = None,
) -> None:
    """Add what the row is now to its history; `recorded_at` where we learned of it later."""
    session.add(
        CertificateStatusChange(
            id=uuid7(),
            certificate_id=certificate.id,
            at=moment,
            recorded_at=recorded_at,
            status=certificate.status,
            reason=certificate.revocation_reason,
            actor=actor,
        )
    )
    session.flush()
