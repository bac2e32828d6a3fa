"""`/certificates/{id}/documents`: what was signed with it, and what falls with its revocation."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Call, needs
from api.permissions import Action
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, decode_id, page
from ca import registry
from signing import impact
from signing.impact import Fate

router = APIRouter(prefix="/certificates", tags=["certificates"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]


class SignedDocumentOut(BaseModel):
    """One document signed with the certificate."""

    model_config = ConfigDict(from_attributes=True)

    sign_request_id: uuid.UUID
    file_name: str
    document_sha256: str
    level: str
    signed_at: datetime
    proven_at: datetime | None = Field(description="When a time-stamp first proved it")
    fate: Fate


class TotalsOut(BaseModel):
    """How many documents there are of each fate."""

    documents: int
    stands: int
    doubtful: int
    falls: int
    waiting: int = Field(description="Signatures of this holder that are still awaited")


class ImpactOut(BaseModel):
    """The documents of a certificate, split by its revocation, or by one at this moment."""

    certificate_id: uuid.UUID
    revoked_at: datetime | None
    if_revoked_at: datetime
    totals: TotalsOut
    items: list[SignedDocumentOut]
    next_cursor: str | None


@router.get("/{certificate_id}/documents", responses=problems(404))
def documents(
    call: Reader,
    certificate_id: str,
    fate: Fate | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> ImpactOut:
    """List what was signed with a certificate: what stands and what falls when it is revoked."""
    with call.transaction() as session:
        row = registry.get(session, certificate_id)
        call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
        found = impact.impact(session, row, at=call.at)
        shown = page(
            impact.documents(
                session, row, at=call.at, fate=fate, limit=limit + 1, before=decode_id(cursor)
            ),
            limit=limit,
            show=SignedDocumentOut.model_validate,
            key=lambda one: str(one.sign_request_id),
        )
        return ImpactOut(
            certificate_id=row.id,
            revoked_at=found.revoked_at,
            if_revoked_at=found.if_revoked_at,
            totals=TotalsOut(
                documents=found.documents,
                stands=found.stands,
                doubtful=found.doubtful,
                falls=found.falls,
                waiting=found.waiting,
            ),
            items=shown.items,
            next_cursor=shown.next_cursor,
        )
