"""`/extend`: a signed document goes in, one that proves itself for longer comes out."""

import tempfile
import uuid
from collections.abc import Iterator
from typing import Annotated, BinaryIO, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response, StreamingResponse

from api.auth import Call, needs, uploaded_to_verify
from api.idempotency import Answer, Attempt
from api.permissions import Action
from api.responses import problems
from api.schemas.extend import ExtendOptionsIn
from api.uploads import Upload
from pdf.extend import Extended
from signing import extend
from signing.errors import DocumentGone
from signing.extend import Documents
from signing.finished import admit

router = APIRouter(prefix="/extend", tags=["sign"])
Extender = Annotated[Call, Depends(needs(Action.VERIFY, keyed=True))]
CHUNK = 256 * 1024
_PDF = "application/pdf"
_CMS = "application/pkcs7-signature"
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
                        "content": {
                            "type": "string",
                            "format": "binary",
                            "description": "What a detached signature (.p7s) is over",
                        },
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
        **problems(409, 410, 413, 415, 422, 429, 503, 507),
        200: {"content": {_PDF: {}}, "description": "The document at its new level"},
    },
)
def extend_(call: Extender, upload: Annotated[Upload, Depends(uploaded_to_verify)]) -> Response:
    """Raise the signatures of a document, anybody's, to B-T, B-LT or B-LTA.

    A detached signature (`.p7s`) comes with its `content`. With an Idempotency-Key the result is
    kept as long as the key, and given again.
    """
    asked = ExtendOptionsIn.parse(upload.options)
    if call.key is not None:
        return _once(call, upload, asked)
    call.wiring.spool.require(upload.size)
    target = cast("BinaryIO", tempfile.TemporaryFile(dir=call.wiring.spool.folder))  # noqa: SIM115 -- closed by _sent
    try:
        extended = _extended(call, upload, target, asked)
    except BaseException:
        target.close()
        raise
    headers = {"Content-Length": str(extended.size), **_headers(upload.name, extended)}
    return StreamingResponse(_sent(target), media_type=_kind(upload), headers=headers)


def _once(call: Call, upload: Upload, asked: ExtendOptionsIn) -> Response:
    """Extend into the document store, under the id that the key has reserved."""
    documents = call.wiring.desk.documents

    def act(attempt: Attempt) -> Answer:
        admit(call.wiring.desk, upload.size, actor=call.identity, at=call.at)
        with documents.new_version(attempt.object_id) as target:
            extended = _extended(call, upload, target, asked)
        headers = _headers(upload.name, extended)
        answer = Answer(headers=headers, document=str(attempt.object_id))
        kept = extend.extension_of(
            attempt.object_id,
            upload.name,
            sha256=upload.sha256,
            size=extended.size,
            at=call.at,
            actor=call.identity,
        )
        with call.transaction() as session:
            session.merge(kept)
            attempt.finish(session, answer)
        return answer

    beside = upload.content.sha256 if upload.content is not None else None
    same = ("extend", upload.sha256, beside, asked.model_dump(mode="json"))
    answer = call.once(*same, act=act)
    kept = uuid.UUID(str(answer.document))
    if not documents.holds(kept):
        raise DocumentGone(f"the document that was made for this key ({kept}) is not stored")
    path = documents.path(kept)
    return FileResponse(path, media_type=_kind(upload), headers=dict(answer.headers))


def _kind(upload: Upload) -> str:
    return _PDF if upload.content is None else _CMS


def _extended(call: Call, upload: Upload, target: BinaryIO, asked: ExtendOptionsIn) -> Extended:
    content = upload.content.file if upload.content is not None else None
    return extend.extend(
        call.wiring.desk,
        Documents(upload.file, target, content),
        level=asked.level,
        at=call.at,
        actor=call.identity,
        password=asked.password,
    )


def _headers(name: str, extended: Extended) -> dict[str, str]:
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Signature-Level": extended.level.value,
        "X-Extended": "true" if extended.changed else "false",
    }
    if extended.proven_until is not None:
        headers["X-Proven-Until"] = extended.proven_until.isoformat()
    return headers


def _sent(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(CHUNK):
            yield chunk
