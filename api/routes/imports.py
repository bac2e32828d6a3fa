"""`/certificates/import` and `/imports`: certificates issued elsewhere come in by files."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse

from api.auth import Call, needs, receiving
from api.idempotency import Answer, Attempt
from api.permissions import Action, list_scope, require, scopes
from api.responses import problems
from api.schemas.imports import ImportDetailOut, ImportOptionsIn, ImportOut, ImportRowOut
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode, decode_id, page
from api.uploads import Upload
from ca import import_files, imports
from ca.errors_registry import ImportNotFound
from ca.imports import Source
from ca.models_imports import Import, RowState

router = APIRouter(tags=["certificates issued elsewhere"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE, keyed=True))]

DONE_AT_ONCE = 5_000
"""Rows worked through before the answer; the job goes on with those of a longer file."""
SHOWN = 100
"""Rows that failed, shown with the import itself."""
TYPES = (
    "application/octet-stream",
    "multipart/form-data",
    "text/csv",
    "application/csv",
    "text/plain",
    "application/zip",
    "application/x-zip-compressed",
    "application/x-pem-file",
    "application/pkix-cert",
    "application/x-x509-ca-cert",
    "application/x-pkcs7-certificates",
    "application/vnd.ms-excel",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "options": ImportOptionsIn.model_json_schema(),
                    },
                }
            },
            "text/csv": {"schema": {"type": "string"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


uploaded_list = receiving(TYPES, most=import_files.MAX_FILE_BYTES)


@router.post(
    "/certificates/import",
    openapi_extra=_BODY,
    response_model=ImportDetailOut,
    responses={
        **problems(404, 409, 413, 415, 507),
        202: {"model": ImportDetailOut, "description": "Taken; rows are still being worked on"},
    },
)
def submit(call: Writer, upload: Annotated[Upload, Depends(uploaded_list)]) -> JSONResponse:
    """Import CSV, XLSX, PEM, DER, P7B or ZIP; every row tells what became of it."""
    call.wiring.spool.require(upload.size)  # its rows are kept in the database
    asked = ImportOptionsIn.parse(upload.options)
    file_format, rows = import_files.read(upload.file.read())
    source = Source(upload.name, file_format, upload.sha256)

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            under = list_scope(session, call.actor, Action.REGISTRY_WRITE, under=None)
            if asked.organization_id is not None:
                require(
                    session,
                    call.actor,
                    Action.REGISTRY_WRITE,
                    organization_id=asked.organization_id,
                )
            made = imports.submit(
                session,
                source=source,
                rows=rows,
                options=asked.options(under=under),
                at=call.at,
                actor=call.identity,
            )
            attempt.finish(session, Answer(status=202, body=str(made.id)))
        return Answer(status=202, body=str(made.id))

    same = ("certificates.import", upload.sha256, asked.model_dump(mode="json"))
    import_id = uuid.UUID(str(call.once(*same, act=act).body))
    imports.run(call.wiring.sessions, import_id, at=call.at, max_rows=DONE_AT_ONCE)
    shown = _shown(call, import_id)
    status = 200 if shown.finished_at is not None else 202
    return JSONResponse(shown.model_dump(mode="json"), status_code=status)


@router.get("/imports", responses=problems())
def listing(call: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> Page[ImportOut]:
    """List imports, newest first; who has a part of the tree sees the own ones."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=None)
        rows = imports.listing(
            session,
            limit=limit + 1,
            before=decode_id(cursor),
            created_by=None if scope is None else call.identity,
        )
        return page(
            rows,
            limit=limit,
            show=lambda row: ImportOut.of(imports.progress(session, row.id)),
            key=lambda row: str(row.id),
        )


@router.get("/imports/{import_id}", responses=problems(404))
def get(call: Reader, import_id: uuid.UUID) -> ImportDetailOut:
    """Show an import, how far it is, and the first rows that failed."""
    return _shown(call, import_id)


@router.get("/imports/{import_id}/rows", responses=problems(404))
def rows_(
    call: Reader,
    import_id: uuid.UUID,
    state: Annotated[list[RowState] | None, Query()] = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[ImportRowOut]:
    """List the rows of an import by their numbers in the file."""
    with call.transaction() as session:
        _readable(call, imports.progress(session, import_id).record)
        position = decode(cursor)
        found = imports.rows(
            session,
            import_id,
            states=frozenset(state or RowState),
            limit=limit + 1,
            after=int(position) if position is not None and position.isdigit() else 0,
        )
        return page(found, limit=limit, show=ImportRowOut.of, key=lambda row: str(row.number))


def _shown(call: Call, import_id: uuid.UUID) -> ImportDetailOut:
    with call.transaction() as session:
        progress = imports.progress(session, import_id)
        _readable(call, progress.record)
        failed = imports.rows(session, import_id, states=frozenset({RowState.FAILED}), limit=SHOWN)
        shown = ImportOut.of(progress).model_dump()
        return ImportDetailOut(**shown, problems=[ImportRowOut.of(row) for row in failed])


def _readable(call: Call, record: Import) -> None:
    """Show an import to who made it, and to who may read the whole tree."""
    if record.created_by != call.identity and None not in scopes(call.actor, Action.REGISTRY_READ):
        raise ImportNotFound(f"no import {record.id}")
