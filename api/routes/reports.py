"""`/reports`: numbers that reconcile on every date, and those that were frozen."""

import csv
import io
import uuid
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import AwareDatetime

from api import spreadsheet
from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.report_paper import report_pdf
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode_id, page
from api.schemas.reports import ReportOut, SnapshotIn, SnapshotOut
from ca import organizations, reports, snapshots

router = APIRouter(prefix="/reports", tags=["reports"])
Reader = Annotated[Call, Depends(needs(Action.REPORT_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
By = Annotated[
    str,
    Query(
        max_length=200,
        description="kind, status, organization, level, issuer, profile, month; commas between",
    ),
]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Form(StrEnum):
    """How the report can be had."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


@router.get("/certificates", responses=problems(404), response_model=ReportOut)
def certificates(
    call: Reader,
    as_of: AwareDatetime | None = None,
    by: By = "",
    under: uuid.UUID | None = None,
    known_at: Annotated[
        AwareDatetime | None, Query(description="Only what was in the record by then")
    ] = None,
    format: Form = Form.JSON,  # noqa: A002 -- the query parameter's name
) -> Response:
    """Count certificates as they stood at a moment, by group and within a subtree."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REPORT_READ, under=under)
        dimensions = [word.strip() for word in by.split(",") if word.strip()]
        counted = reports.certificate_totals(
            session, as_of=as_of or call.at, by=dimensions, under=scope, known_at=known_at
        )
        report = ReportOut.of(counted, under=scope)
        part = organizations.get(session, scope).name if scope is not None else ""
    if format is Form.JSON:
        return Response(report.model_dump_json(), media_type="application/json")
    return _file(report, format, call, part)


@router.post("/snapshots", status_code=201, responses=problems(404, 409))
def freeze(call: Writer, body: SnapshotIn) -> SnapshotOut:
    """Freeze the report of a period that has ended; nobody can change it afterwards."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_WRITE, under=body.under)
        row = snapshots.freeze(
            session, period=body.to_period(under=scope), at=call.at, actor=call.identity
        )
        return SnapshotOut.of(row)


@router.get("/snapshots", responses=problems())
def listing(
    call: Reader,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[SnapshotOut]:
    """List the frozen reports, newest first."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REPORT_READ, under=under)
        rows = snapshots.listing(session, under=scope, limit=limit + 1, before=decode_id(cursor))
        return page(rows, limit=limit, show=SnapshotOut.of, key=lambda row: str(row.id))


@router.get("/snapshots/{snapshot_id}", responses=problems(404))
def get(call: Reader, snapshot_id: uuid.UUID) -> SnapshotOut:
    """Show a frozen report, and whether counting again for its times gives the same numbers."""
    with call.transaction() as session:
        row = snapshots.get(session, snapshot_id)
        call.require(session, Action.REPORT_READ, organization_id=row.under)
        return SnapshotOut.of(row, reproduces=snapshots.reproduces(session, row))


def _file(report: ReportOut, form: Form, call: Call, part: str) -> Response:
    name = f"chung-thu-so-{report.as_of:%Y%m%d}.{form.value}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    if form is Form.CSV:
        return Response(as_csv(report), media_type="text/csv; charset=utf-8", headers=headers)
    if form is Form.XLSX:
        content = spreadsheet.workbook(table(report), sheet="Chứng thư số")
        return Response(content, media_type=spreadsheet.MEDIA_TYPE, headers=headers)
    content = report_pdf(report, made_at=call.at, part=part)
    return Response(content, media_type="application/pdf", headers=headers)


def table(report: ReportOut) -> list[list[str | int]]:
    """Return the header, the rows, and the totals as the last one."""
    numbers = list(type(report.totals).model_fields)
    rows: list[list[str | int]] = [[*report.by, *numbers]]
    rows += [
        [*(row.group[name] for name in report.by), *(getattr(row, n) for n in numbers)]
        for row in (report.rows if report.by else ())
    ]
    rows.append([*("" for _ in report.by), *(getattr(report.totals, n) for n in numbers)])
    return rows


def as_csv(report: ReportOut) -> str:
    """Return the table with the mark that spreadsheets want; no text in it is a formula."""
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text)
    for row in table(report):
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
