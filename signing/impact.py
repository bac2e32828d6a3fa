"""What hangs on a certificate: the documents signed with it, and which fall when it is revoked.

A signature whose time-stamp proves that it was there before the revocation stands; without a proof,
or with one that came after, it falls with the certificate (ETSI EN 319 102-1 5.6.2.4). Where the
key was lost earlier than it was revoked, what was proven in between is doubtful.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, case, func, literal, select
from sqlalchemy.orm import Session

from ca.models import Certificate
from signing.models import DocumentProof, Signature, SignRequest, SignRequestStatus

UNPROVEN_LEVELS = ("PKCS7", "B-B")
"""Levels without a time-stamp: nobody can tell later when such a signature was made."""


class Fate(StrEnum):
    """What becomes of a signature with the certificate's revocation."""

    STANDS = "stands"
    DOUBTFUL = "doubtful"
    FALLS = "falls"


@dataclass(frozen=True)
class SignedDocument:
    """One document signed with the certificate; `proven_at` is None without a time-stamp."""

    sign_request_id: uuid.UUID
    file_name: str
    document_sha256: str
    level: str
    signed_at: datetime
    proven_at: datetime | None
    fate: Fate


@dataclass(frozen=True)
class Impact:
    """How many documents there are of each fate, and how many signatures are still awaited."""

    stands: int
    doubtful: int
    falls: int
    waiting: int
    revoked_at: datetime | None
    if_revoked_at: datetime

    @property
    def documents(self) -> int:
        """All documents that were signed with it."""
        return self.stands + self.doubtful + self.falls


def impact(session: Session, certificate: Certificate, *, at: datetime) -> Impact:
    """Count the documents by their fate; of a certificate in force, if it were revoked at `at`."""
    proven = _proven().subquery("proven")
    fate = _fate(certificate, at)(proven.c.at).label("fate")
    query = (
        select(fate, func.count())
        .select_from(Signature)
        .outerjoin(proven, proven.c.sign_request_id == Signature.sign_request_id)
        .where(Signature.certificate_id == certificate.id)
        .group_by(fate)
    )
    counts = {str(row[0]): int(row[1]) for row in session.execute(query)}
    waiting = session.scalar(
        select(func.count())
        .select_from(SignRequest)
        .where(
            SignRequest.certificate_id == certificate.id,
            SignRequest.status.in_([SignRequestStatus.PREPARED, SignRequestStatus.WAITING]),
        )
    )
    return Impact(
        stands=counts.get(Fate.STANDS, 0),
        doubtful=counts.get(Fate.DOUBTFUL, 0),
        falls=counts.get(Fate.FALLS, 0),
        waiting=waiting or 0,
        revoked_at=certificate.revoked_at,
        if_revoked_at=certificate.revoked_at or at,
    )


def documents(
    session: Session,
    certificate: Certificate,
    *,
    at: datetime,
    fate: Fate | None = None,
    limit: int,
    before: uuid.UUID | None = None,
) -> list[SignedDocument]:
    """Return up to `limit` documents, newest first, those before the request id `before`."""
    proven = _proven().subquery("proven")
    of_row = _fate(certificate, at)(proven.c.at)
    query = (
        select(Signature, SignRequest.file_name, proven.c.at, of_row)
        .join(SignRequest, SignRequest.id == Signature.sign_request_id)
        .outerjoin(proven, proven.c.sign_request_id == Signature.sign_request_id)
        .where(Signature.certificate_id == certificate.id)
        .order_by(Signature.sign_request_id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(Signature.sign_request_id < before)
    if fate is not None:
        query = query.where(of_row == fate.value)
    return [
        SignedDocument(
            sign_request_id=row[0].sign_request_id,
            file_name=row[1],
            document_sha256=row[0].document_sha256,
            level=row[0].level,
            signed_at=row[0].signed_at,
            proven_at=row[2],
            fate=Fate(row[3]),
        )
        for row in session.execute(query)
    ]


def _proven() -> Select[uuid.UUID, datetime]:
    """Return the query for when each document first had a time-stamp."""
    return (
        select(DocumentProof.sign_request_id, func.min(DocumentProof.made_at).label("at"))
        .where(DocumentProof.level.not_in(UNPROVEN_LEVELS))
        .group_by(DocumentProof.sign_request_id)
    )


def _fate(
    certificate: Certificate, at: datetime
) -> Callable[[ColumnElement[datetime]], ColumnElement[str]]:
    revoked_at = certificate.revoked_at or at
    lost_at = certificate.invalidity_at

    def fate(proven: ColumnElement[datetime]) -> ColumnElement[str]:
        falls = proven.is_(None) | (proven >= revoked_at)
        steps: list[tuple[ColumnElement[bool], ColumnElement[str]]] = [
            (falls, literal(Fate.FALLS.value))
        ]
        if lost_at is not None:
            steps.append((proven >= lost_at, literal(Fate.DOUBTFUL.value)))
        return case(*steps, else_=literal(Fate.STANDS.value))

    return fate
