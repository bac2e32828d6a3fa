"""`/audit`: what was done, by whom, and whether the log is still whole."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from api.auth import Call, needs
from api.permissions import Action
from api.responses import problems
from api.schemas.administration import AuditOut, AuditVerdictOut
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode_id, page
from db import audit, audit_verification
from db.audit import AuditFilter

router = APIRouter(prefix="/audit", tags=["administration"])
Auditor = Annotated[Call, Depends(needs(Action.AUDIT_READ))]
Word = Annotated[str | None, Query(max_length=200)]


class AuditQuery:
    """The filters of the list."""

    def __init__(
        self,
        actor: Word = None,
        action: Word = None,
        object_type: Word = None,
        object_id: Word = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
    ) -> None:
        self.where = AuditFilter(
            actor=actor,
            action=action,
            object_type=object_type,
            object_id=object_id,
            since=since,
            until=until,
        )


@router.get("", responses=problems())
def listing(
    call: Auditor,
    query: Annotated[AuditQuery, Depends()],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[AuditOut]:
    """List entries, newest first."""
    with call.transaction() as session:
        call.require(session, Action.AUDIT_READ, organization_id=None)
        rows = audit.list_entries(
            session, where=query.where, limit=limit + 1, after=decode_id(cursor)
        )
        return page(rows, limit=limit, show=AuditOut.of, key=lambda row: str(row.id))


@router.get("/verify", responses=problems())
def verify(call: Auditor) -> AuditVerdictOut:
    """Read the whole log and check every link of its chains."""
    with call.transaction() as session:
        call.require(session, Action.AUDIT_READ, organization_id=None)
        return AuditVerdictOut.of(audit_verification.verify(session))
