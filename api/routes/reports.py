"""`/reports/certificates`: numbers that reconcile on every date."""

import csv
import io
import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import AwareDatetime

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.reports import ReportOut
from ca import reports

router = APIRouter(prefix="/reports", tags=["reports"])
Reader = Annotated[Call, Depends(needs(Action.REPORT_READ))]
By = Annotated[
    str, Query(max_length=200, description="kind, status, organization, …; commas between")
]


@router.get("/certificates", responses=problems(404), response_model=ReportOut)
def certificates(
    call: Reader,
    as_of: AwareDatetime | None = None,
    by: By = "",
    under: uuid.UUID | None = None,
    format: Literal["json", "csv"] = "json",  # noqa: A002 -- the query parameter's name
) -> Response:
    """Count certificates as they stood at a moment, by group and within a subtree."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REPORT_READ, under=under)
        dimensions = [word.strip() for word in by.split(",") if word.strip()]
        report = ReportOut.of(
            reports.certificate_totals(session, as_of=as_of or call.at, by=dimensions, under=scope)
        )
    if format == "csv":
        return Response(as_csv(report), media_type="text/csv; charset=utf-8")
    return Response(report.model_dump_json(), media_type="application/json")


def as_csv(report: ReportOut) -> str:
    """Return the rows, and the totals as the last one; with the mark that spreadsheets want."""
    text = io.StringIO()
    text.write("\ufeff")
    numbers = list(type(report.totals).model_fields)
    writer = csv.writer(text)
    writer.writerow([*report.by, *numbers])
    for row in report.rows:
        writer.writerow(
            [row.group[name] for name in report.by] + [getattr(row, n) for n in numbers]
        )
    writer.writerow(["" for _ in report.by] + [getattr(report.totals, n) for n in numbers])
    return text.getvalue()
