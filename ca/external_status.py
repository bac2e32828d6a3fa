"""Writing down what became of a certificate that was issued elsewhere.

Nothing is decided here and nothing published: another issuer decided, and we learn of it, often
later. So a change has two times - when it took effect, and when it came into our record.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ca import status_history
from ca.errors import AlreadyRevoked
from ca.models import Certificate, CertificateStatus
from db import audit

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.revocation_reasons import RevocationReason


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
    moment = status_history.next_moment(session, certificate, learnt.since)
    before = certificate.status
    status_history.turn(certificate, learnt.status, reason=learnt.reason, moment=moment)
    status_history.note(session, certificate, moment=moment, actor=actor, recorded_at=at)
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
