"""Audit entries and trust anchors, as the administrators' calls take and show them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.lists import Schema
from ca.models_trust import TrustAnchor
from db.audit_verification import AuditVerdict, BrokenLink
from db.models import AuditEntry

MAX_PEM_CHARACTERS = 64 * 1024


class AuditOut(BaseModel):
    """One entry of the audit log."""

    id: uuid.UUID
    at: datetime
    actor: str
    action: str
    object_type: str
    object_id: str
    before: dict[str, object] | None
    after: dict[str, object] | None
    chain: int
    sequence: int
    digest: str

    @classmethod
    def of(cls, row: AuditEntry) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            at=row.at,
            actor=row.actor,
            action=row.action,
            object_type=row.object_type,
            object_id=row.object_id,
            before=dict(row.before) if row.before is not None else None,
            after=dict(row.after) if row.after is not None else None,
            chain=row.chain,
            sequence=row.sequence,
            digest=row.digest.hex(),
        )


class BrokenOut(BaseModel):
    """The first broken place of a chain."""

    chain: int
    sequence: int
    id: uuid.UUID | None
    fault: str

    @classmethod
    def of(cls, link: BrokenLink) -> Self:
        """Show a fault."""
        return cls(chain=link.chain, sequence=link.sequence, id=link.id, fault=link.fault.value)


class AuditVerdictOut(BaseModel):
    """Whether the audit log is as it was written."""

    intact: bool
    entries: int
    chains: int
    broken: list[BrokenOut]

    @classmethod
    def of(cls, verdict: AuditVerdict) -> Self:
        """Show a verdict."""
        return cls(
            intact=verdict.intact,
            entries=verdict.entries,
            chains=verdict.chains,
            broken=[BrokenOut.of(link) for link in verdict.broken],
        )


class TrustAnchorIn(Schema):
    """A CA certificate to be trusted."""

    pem: str = Field(max_length=MAX_PEM_CHARACTERS)


class TrustAnchorOut(BaseModel):
    """A trusted CA certificate."""

    id: uuid.UUID
    subject: str
    sha256_fingerprint: str
    added_at: datetime
    added_by: str

    @classmethod
    def of(cls, row: TrustAnchor) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            subject=row.subject,
            sha256_fingerprint=row.sha256_fingerprint,
            added_at=row.added_at,
            added_by=row.added_by,
        )
