"""`/certificate-requests/import`: the requests of a whole list from one table, all or none."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api.auth import Call, needs, receiving
from api.errors import ParameterUnknown, RowsRefused
from api.idempotency import Answer, Attempt
from api.permissions import Action, scopes
from api.responses import problems
from api.routes.imports import TYPES
from api.schemas.request_tables import RequestRowOut, RequestTableOut
from api.uploads import FILE_NAME, Upload
from ca import request_tables
from ca.errors_registry import ImportUnreadable
from ca.import_files import MAX_FILE_BYTES

router = APIRouter(tags=["certificate requests"])
Submitter = Annotated[Call, Depends(needs(Action.REQUEST_SUBMIT, keyed=True))]
MOST_ROWS: Final = 10_000
"""In one call: some seconds of work; `antin certificates request-many` takes longer lists."""
SHOWN: Final = 1000
"""Wrong rows that one answer tells."""
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "text/csv": {
                "schema": {"type": "string"},
                "example": "Mã đơn vị,Họ tên,Số CCCD,Chức vụ,CSR\n"
                "000.00.01.H10,Nguyễn Văn Đức,001080000001,Văn thư,MIIBAzCB…\n",
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


uploaded_table = receiving(TYPES, most=MAX_FILE_BYTES)


@router.post(
    "/certificate-requests/import",
    status_code=201,
    openapi_extra=_BODY,
    response_model=RequestTableOut,
    responses=problems(409, 413, 415, 507),
)
def submit(call: Submitter, upload: Annotated[Upload, Depends(uploaded_table)]) -> JSONResponse:
    """Put in a request for every row of a CSV or XLSX table, or none where any row is wrong.

    Columns by their headings, Vietnamese or English: code of the organisation, full name, CSR (PEM
    or Base64), national id for persons, and as wanted kind, post and e-mail. Wrong rows come with
    the problem, as its member `rows`, by number and in both languages.
    """
    for name in upload.options:
        raise ParameterUnknown(name, [FILE_NAME])
    call.wiring.spool.require(upload.size)
    rows = request_tables.read(upload.file.read())
    if len(rows) > MOST_ROWS:
        raise ImportUnreadable("too_many_rows", f"more than {MOST_ROWS}")

    def act(attempt: Attempt) -> Answer:
        allowed = scopes(call.actor, Action.REQUEST_SUBMIT)
        with call.transaction() as session:
            outcomes = request_tables.submit(
                session,
                rows,
                at=call.at,
                actor=call.identity,
                under=None if None in allowed else [one for one in allowed if one is not None],
            )
            failed = [RequestRowOut.of(one) for one in outcomes if one.problems]
            if failed:
                told = [one.model_dump(mode="json") for one in failed[:SHOWN]]
                raise RowsRefused(len(failed), len(outcomes), told)
            body = RequestTableOut.of(outcomes).model_dump(mode="json")
            answer = Answer(status=201, body=body)
            attempt.finish(session, answer)
        return answer

    answer = call.once("requests.import", upload.sha256, act=act)
    return JSONResponse(answer.body, status_code=answer.status)
