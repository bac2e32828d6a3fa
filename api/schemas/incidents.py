"""Incidents and alarms, as the calls take and show them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, Field

from api.schemas.lists import Schema
from ca.incident_targets import MAX_LIST
from ca.incidents import Decision, Hit, Progress
from ca.models_publication import Alarm, Incident, IncidentItem, IncidentState, IncidentTarget
from ca.revocation_reasons import RevocationReason


class IncidentIn(Schema):
    """Whose certificates end, why, and when; with `dry_run` it is only counted."""

    target: IncidentTarget
    target_id: uuid.UUID | None = None
    certificate_ids: list[uuid.UUID] = Field(default_factory=list, max_length=MAX_LIST)
    reason: RevocationReason
    note: str
    document_reference: str | None = None
    invalidity_at: AwareDatetime | None = None
    effective_at: AwareDatetime | None = Field(default=None, description="Default: at once")
    dry_run: bool = False

    def decision(self) -> Decision:
        """Return it as the registry takes it."""
        return Decision(
            target=self.target,
            target_id=self.target_id,
            certificate_ids=tuple(dict.fromkeys(self.certificate_ids)),
            reason=self.reason,
            note=self.note,
            document_reference=self.document_reference,
            invalidity_at=self.invalidity_at,
            effective_at=self.effective_at,
        )


class HitOut(BaseModel):
    """What a decision would revoke now."""

    certificates: int
    active: int
    suspended: int
    already_ended: int
    by_kind: dict[str, int]
    organizations: int

    @classmethod
    def of(cls, hit: Hit) -> Self:
        """Show the counts."""
        return cls(
            certificates=hit.certificates,
            active=hit.active,
            suspended=hit.suspended,
            already_ended=hit.already_ended,
            by_kind=dict(hit.by_kind),
            organizations=len(hit.organization_ids),
        )


class IncidentOut(BaseModel):
    """An incident and how far it is."""

    id: uuid.UUID
    state: IncidentState
    target: IncidentTarget
    target_id: uuid.UUID | None
    reason: RevocationReason
    note: str
    document_reference: str | None
    invalidity_at: datetime | None
    effective_at: datetime
    created_at: datetime
    created_by: str
    cancelled_by: str | None
    finished_at: datetime | None
    waiting: int
    revoked: int
    skipped: int

    @classmethod
    def of(cls, row: Incident, progress: Progress) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            state=row.state,
            target=row.target,
            target_id=row.target_id,
            reason=row.reason,
            note=row.note,
            document_reference=row.document_reference,
            invalidity_at=row.invalidity_at,
            effective_at=row.effective_at,
            created_at=row.created_at,
            created_by=row.created_by,
            cancelled_by=row.cancelled_by,
            finished_at=row.finished_at,
            waiting=progress.waiting,
            revoked=progress.revoked,
            skipped=progress.skipped,
        )


class IncidentItemOut(BaseModel):
    """What became of one certificate of an incident."""

    certificate_id: uuid.UUID
    state: str
    outcome: str | None
    at: datetime | None

    @classmethod
    def of(cls, row: IncidentItem) -> Self:
        """Show a row."""
        return cls(
            certificate_id=row.certificate_id, state=row.state.value, outcome=row.outcome, at=row.at
        )


class AlarmOut(BaseModel):
    """Something that runs out, or has."""

    id: uuid.UUID
    kind: str
    subject: str
    runs_out_at: datetime
    raised_at: datetime

    @classmethod
    def of(cls, row: Alarm) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            kind=row.kind,
            subject=row.subject,
            runs_out_at=row.runs_out_at,
            raised_at=row.raised_at,
        )
