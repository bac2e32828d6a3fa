"""Writing down what became of a certificate that was issued elsewhere.

Nothing is decided here and nothing published: another issuer decided, and we learn of it, often
later. So a change has two times - when it took effect, and when it came into our record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ca.errors import AlreadyRevoked
from ca.models import Certificate, CertificateStatus, CertificateStatusChange
from db import audit
from db.base import uuid7

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.revocation_reasons import RevocationReason

_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LearntStatus:
    """A status that another issuer gave, and since when; `action` names it in the audit log."""

    status: CertificateStatus
    since: datetime
    reason: RevocationReason | None
    action: str


def record(
    session: Session, certificate: Certificate, learnt: LearntStatus, *, at: datetime, actor: str
) -> None:
    """Bring a locked row to a learnt status; AlreadyRevoked when our record is final already.

    A change that lies before the last one we know of is put right after it.
    """
    if certificate.status is CertificateStatus.REVOKED:
        raise AlreadyRevoked(certificate.status.value, learnt.status.value)
    last = session.scalar(
        select(func.max(CertificateStatusChange.at)).where(
            CertificateStatusChange.certificate_id == certificate.id
        )
    )
    moment = learnt.since if last is None else max(learnt.since, last + _TICK)
    before = certificate.status
    certificate.status = learnt.status
    certificate.suspended_at = moment if learnt.status is CertificateStatus.SUSPENDED else None
    certificate.revoked_at = moment if learnt.status is CertificateStatus.REVOKED else None
    certificate.revocation_reason = learnt.reason
    session.add(
        CertificateStatusChange(
            id=uuid7(),
            certificate_id=certificate.id,
            at=moment,
            recorded_at=at,
            status=learnt.status,
            reason=learnt.reason,
            actor=actor,
        )
    )
    session.flush()
    audit.record(
        session,
        at=at,
        actor=actor,
        action=learnt.action,
        object_type="certificate",
        object_id=str(certificate.id),
        before={"status": before.value},
        after={
            "status": learnt.status.value,
            "since": moment.isoformat(),
            "reason": learnt.reason.value if learnt.reason else None,
        },
    )
