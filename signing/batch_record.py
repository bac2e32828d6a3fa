"""The entries that batches leave in the audit log."""

from datetime import datetime

from sqlalchemy.orm import Session

from db import audit
from signing.models_batches import SignBatch


def record(session: Session, batch: SignBatch, action: str, *, at: datetime, actor: str) -> None:
    """Write a step of a batch into the audit log."""
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="sign_batch",
        object_id=str(batch.id),
        after={
            "status": batch.status,
            "certificate": str(batch.certificate_id),
            "total": batch.total,
            "manifest_sha256": batch.manifest_sha256,
            "error": batch.error_code,
        },
    )
