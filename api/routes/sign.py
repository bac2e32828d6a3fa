"""`/sign`: a document goes in, a signed one comes out, at once or when its holder has signed."""

import uuid
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, JSONResponse, Response
from sqlalchemy.orm import Session

from api.auth import Call, needs, uploaded
from api.idempotency import Answer, Attempt
from api.permissions import Action
from api.responses import problems
from api.schemas.sign import SignatureIn, SignOptionsIn, SignRequestOut
from api.uploads import Upload
from ca import registry
from ca.models import Certificate
from signing import sign
from signing.errors import SignRequestNotFound
from signing.models import SignRequest, SignRequestStatus

router = APIRouter(prefix="/sign", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]
IN_MEMORY = 1024 * 1024
"""Bytes of a signed file that are sent in one piece; a larger one is streamed from the disk."""
_CLOSED = frozenset(
    {SignRequestStatus.FAILED, SignRequestStatus.CANCELLED, SignRequestStatus.EXPIRED}
)
_PDF = "application/pdf"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "options"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "options": SignOptionsIn.model_json_schema(),
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
        **problems(404, 409, 413, 415, 423, 503),
        200: {"content": {_PDF: {}}, "description": "The signed document"},
        202: {"model": SignRequestOut, "description": "The holder's signature is awaited"},
    },
)
def start(call: Signer, upload: Annotated[Upload, Depends(uploaded)]) -> Response:
    """Sign a document; 202 with the bytes to be signed when its holder has the key."""
    asked = SignOptionsIn.parse(upload.options)

    def act(attempt: Attempt) -> Answer:
        return _sign(call, upload, asked, attempt)

    same = ("sign", upload.sha256, asked.model_dump(mode="json"))
    return _rendered(call, call.once(*same, act=act))


@router.get("/{request_id}", responses=problems(404))
def get(call: Signer, request_id: uuid.UUID) -> SignRequestOut:
    """Show a sign request of one's own."""
    with call.transaction() as session:
        return SignRequestOut.of(sign.get(session, request_id, actor=call.identity))


@router.post(
    "/{request_id}/signature",
    response_class=Response,
    responses={
        **problems(404, 409, 410, 503),
        200: {"content": {_PDF: {}}, "description": "The signed document"},
    },
)
def complete(call: Signer, request_id: uuid.UUID, body: SignatureIn) -> Response:
    """Post the holder's signature and get the signed document."""
    sign.complete(call.wiring.desk, request_id, body.raw(), at=call.at, actor=call.identity)
    return _document(call, request_id)


@router.get(
    "/{request_id}/document",
    response_class=Response,
    responses={
        **problems(404, 409, 410),
        200: {"content": {_PDF: {}}, "description": "The signed document"},
    },
)
def document(call: Signer, request_id: uuid.UUID) -> Response:
    """Fetch the signed document again, within its retention."""
    return _document(call, request_id)


@router.delete("/{request_id}", responses=problems(404, 409))
def cancel(call: Signer, request_id: uuid.UUID) -> SignRequestOut:
    """Give up a sign request that is not signed yet."""
    row = sign.cancel(call.wiring.desk, request_id, at=call.at, actor=call.identity)
    return SignRequestOut.of(row)


def _sign(call: Call, upload: Upload, asked: SignOptionsIn, attempt: Attempt) -> Answer:
    """Prepare and sign, or go on where a lost attempt stopped."""
    desk = call.wiring.desk
    request = _earlier(call, attempt) if attempt.resumed else None
    if request is not None and request.status in _CLOSED:
        attempt, request = attempt.renewed(call.wiring.sessions), None
    if request is None:
        with call.transaction() as session:
            certificate = _certificate(call, session, asked)
        desk.documents.remove(attempt.object_id)  # what a crash before the intent left staged
        order = asked.order(
            certificate_id=certificate.id,
            file_name=upload.name,
            request_id=attempt.object_id,
            at=call.at,
        )
        request = sign.start(desk, upload.file, order, at=call.at, actor=call.identity)
    if request.status is SignRequestStatus.PREPARED:
        request = sign.sign_now(desk, request.id, at=call.at, actor=call.identity)
    if request.status is SignRequestStatus.SIGNED:
        answer = Answer(document=str(request.id))
    else:
        answer = Answer(status=202, body=SignRequestOut.of(request).model_dump(mode="json"))
    with call.transaction() as session:
        attempt.finish(session, answer)
    return answer


def _earlier(call: Call, attempt: Attempt) -> SignRequest | None:
    try:
        with call.transaction() as session:
            return sign.get(session, attempt.object_id, actor=call.identity)
    except SignRequestNotFound:
        return None


def _certificate(call: Call, session: Session, asked: SignOptionsIn) -> Certificate:
    if asked.key is not None:
        row = registry.by_key_uri(session, asked.key)
    else:
        row = registry.get(session, asked.certificate_id or "")
    call.require(session, Action.SIGN, organization_id=row.organization_id)
    return row


def _rendered(call: Call, answer: Answer) -> Response:
    if answer.document is not None:
        return _document(call, uuid.UUID(answer.document))
    return JSONResponse(answer.body, status_code=answer.status)


def _document(call: Call, request_id: uuid.UUID) -> Response:
    desk = call.wiring.desk
    request, file = sign.signed_document(desk, request_id, at=call.at, actor=call.identity)
    headers = {
        "X-Sign-Request-Id": str(request_id),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(request.file_name, safe='')}",
    }
    with file:
        content = file.read(IN_MEMORY + 1)
    if len(content) <= IN_MEMORY:
        return Response(content, media_type=_PDF, headers=headers)
    path = desk.documents.path(request_id)
    return FileResponse(path, media_type=_PDF, headers=headers)
