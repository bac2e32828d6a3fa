"""Until when documents that were signed here can be proven: one row for each version of them.

The rows are kept for good; the documents are not (`signing.documents`). So what can be foreseen
here is always true, and what can be done about it depends on where the document is.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ca.organizations import subtree
from signing.models import DocumentProof, SignRequest

LOOK_AHEAD = timedelta(days=365)
"""A certificate's end is known years before; a year leaves time to fetch from archives."""


@dataclass(frozen=True)
class Version:
    """A version of a signed document: its level, until when it proves, hash (hex) and bytes."""

    level: str
    proven_until: datetime
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class EndingProof:
    """A document whose proof ends soon."""

    sign_request_id: uuid.UUID
    file_name: str
    organization_id: uuid.UUID
    level: str
    proven_until: datetime
    sha256: str


def record_proof(
    session: Session, sign_request_id: uuid.UUID, version: Version, *, at: datetime
) -> None:
    """Record a new version of a document; the proofs of earlier ones count no more."""
    session.flush()
    session.execute(
        update(DocumentProof)
        .where(DocumentProof.sign_request_id == sign_request_id, ~DocumentProof.superseded)
        .values(superseded=True)
    )
    session.add(
        DocumentProof(
            sign_request_id=sign_request_id,
            made_at=at,
            level=version.level,
            proven_until=version.proven_until,
            document_sha256=version.sha256,
            document_size=version.size,
        )
    )


def of_document(session: Session, sha256: str) -> DocumentProof | None:
    """Find the newest proof of the document with this hash, whichever version it is."""
    version = session.scalar(
        select(DocumentProof.sign_request_id).where(DocumentProof.document_sha256 == sha256)
    )
    if version is None:
        return None
    query = select(DocumentProof).where(
        DocumentProof.sign_request_id == version, ~DocumentProof.superseded
    )
    return session.scalar(query)


def ending(
    session: Session,
    *,
    at: datetime,
    within: timedelta = LOOK_AHEAD,
    under: uuid.UUID | None = None,
    limit: int = 1000,
) -> list[EndingProof]:
    """List documents whose proof ends within a time, the next ones first.

    `under` limits them to signatures for an organisation and those below it.
    """
    query = (
        select(DocumentProof, SignRequest)
        .join(SignRequest, SignRequest.id == DocumentProof.sign_request_id)
        .where(~DocumentProof.superseded, DocumentProof.proven_until <= at + within)
        .order_by(DocumentProof.proven_until, DocumentProof.id)
        .limit(limit)
    )
    if under is not None:
        query = query.where(SignRequest.organization_id.in_(subtree(under)))
    return [
        EndingProof(
            sign_request_id=request.id,
            file_name=request.file_name,
            organization_id=request.organization_id,
            level=proof.level,
            proven_until=proof.proven_until,
            sha256=proof.document_sha256,
        )
        for proof, request in session.execute(query)
    ]
