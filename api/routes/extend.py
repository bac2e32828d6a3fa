"""`/extend`: a signed document goes in, one that proves itself for longer comes out."""

import tempfile
from collections.abc import Iterator
from typing import Annotated, BinaryIO, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import Response, StreamingResponse

from api.auth import Call, needs, uploaded
from api.permissions import Action
from api.responses import problems
from api.schemas.extend import ExtendOptionsIn
from api.uploads import Upload
from signing import extend

router = APIRouter(prefix="/extend", tags=["sign"])
Extender = Annotated[Call, Depends(needs(Action.VERIFY))]
CHUNK = 256 * 1024
_PDF = "application/pdf"
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
                        "options": ExtendOptionsIn.model_json_schema(),
                    },
                }
            },
            _PDF: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    openapi_extra=_BODY,
    response_class=Response,
    responses={
        **problems(413, 415, 422, 503),
        200: {"content": {_PDF: {}}, "description": "The document at its new level"},
    },
)
def extend_(call: Extender, upload: Annotated[Upload, Depends(uploaded)]) -> Response:
    """Raise the signatures of a document, anybody's, to B-T, B-LT or B-LTA."""
    asked = ExtendOptionsIn.parse(upload.options)
    spool = call.wiring.settings.spool
    target = cast("BinaryIO", tempfile.TemporaryFile(dir=spool))  # noqa: SIM115 -- closed by _sent
    try:
        extended = extend.extend(
            call.wiring.desk,
            (upload.file, target),
            level=asked.level,
            at=call.at,
            actor=call.identity,
            password=asked.password,
        )
    except BaseException:
        target.close()
        raise
    headers = {
        "Content-Length": str(extended.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(upload.name, safe='')}",
        "X-Signature-Level": extended.level.value,
        "X-Extended": "true" if extended.changed else "false",
    }
    if extended.proven_until is not None:
        headers["X-Proven-Until"] = extended.proven_until.isoformat()
    return StreamingResponse(_sent(target), media_type=_PDF, headers=headers)


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk
