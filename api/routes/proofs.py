"""`/reports/proofs`: documents signed here whose proof ends soon, before it is too late."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from signing import proofs
from signing.proofs import EndingProof

router = APIRouter(prefix="/reports", tags=["reports"])
Reader = Annotated[Call, Depends(needs(Action.REPORT_READ))]
MAX_ROWS = 1000


class EndingProofOut(BaseModel):
    """One document; `stored` says whether the service still has it and renews it by itself."""

    sign_request_id: uuid.UUID
    file_name: str
    organization_id: uuid.UUID
    level: str
    proven_until: datetime
    sha256: str
    stored: bool

    @classmethod
    def of(cls, ending: EndingProof, *, stored: bool) -> Self:
        """Show one."""
        return cls(
            sign_request_id=ending.sign_request_id,
            file_name=ending.file_name,
            organization_id=ending.organization_id,
            level=ending.level,
            proven_until=ending.proven_until,
            sha256=ending.sha256,
            stored=stored,
        )


@router.get("/proofs", responses=problems(404))
def ending_proofs(
    call: Reader,
    within_days: Annotated[int, Query(ge=1, le=3650, description="From now")] = 365,
    under: uuid.UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = MAX_ROWS,
) -> list[EndingProofOut]:
    """List the documents whose proof ends within a time, the next ones first.

    Those that are not stored here are to be sent to `/extend` from the archive that has them.
    """
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REPORT_READ, under=under)
        found = proofs.ending(
            session,
            at=call.at,
            within=timedelta(days=within_days),
            under=scope,
            limit=limit,
        )
    documents = call.wiring.desk.documents
    return [EndingProofOut.of(each, stored=documents.holds(each.sign_request_id)) for each in found]
