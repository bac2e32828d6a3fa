"""`/sign`: a document goes in, a signed one comes out, at once or when its holder has signed."""

import io
import uuid
from typing import Annotated, BinaryIO, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, JSONResponse, Response
from sqlalchemy.orm import Session

from api import permissions
from api.auth import Call, needs, uploaded
from api.errors import ParameterInvalid
from api.idempotency import Answer, Attempt
from api.permissions import Action
from api.responses import Responses, problems
from api.schemas.sign import SignatureIn, SignOptionsIn, SignRequestOut
from api.uploads import Upload
from ca import registry
from ca.models import Certificate
from ca.standing import Standing, standing
from db.base import uuid7
from pdf.errors import PreparedStateInvalid
from pdf.options import SignatureFormat
from signing import sign
from signing.errors import DocumentGone, OutputRefused, SignRequestNotFound
from signing.models import SignRequest, SignRequestStatus
from signing.prepared_state import format_of
from signing.self_check import check_output as check_output_of
from signing.sign import SignOrder
from signing.together import WORTH_SHARING, Asked

router = APIRouter(prefix="/sign", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]
KeyedSigner = Annotated[Call, Depends(needs(Action.SIGN, keyed=True))]
IN_MEMORY = 1024 * 1024
"""Bytes of a signed file that are sent in one piece; a larger one is streamed from the disk."""
_CLOSED = frozenset(
    {SignRequestStatus.FAILED, SignRequestStatus.CANCELLED, SignRequestStatus.EXPIRED}
)
_PDF = "application/pdf"
_CMS = "application/pkcs7-signature"
_SIGNED: Responses = {
    200: {"content": {_PDF: {}, _CMS: {}}, "description": "The signed document"},
}
DOCUMENT_BODY: Final = {
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
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    openapi_extra=DOCUMENT_BODY,
    response_class=Response,
    responses={
        **problems(404, 409, 413, 415, 423, 429, 503, 507),
        **_SIGNED,
        202: {"model": SignRequestOut, "description": "The holder's signature is awaited"},
    },
)
def start(call: KeyedSigner, upload: Annotated[Upload, Depends(uploaded)]) -> Response:
    """Sign a document; 202 with the bytes to be signed when its holder has the key.

    With `format` `cades` the file may be any, and the answer is the signature beside it (`.p7s`).
    """
    asked = SignOptionsIn.parse(upload.options)

    signed: list[BinaryIO] = []

    def act(attempt: Attempt) -> Answer:
        if attempt.resumed:
            return _resume(call, upload, asked, attempt)
        return _sign(call, upload, asked, attempt, signed)

    same = () if call.key is None else ("sign", upload.sha256, asked.model_dump(mode="json"))
    answer = call.once(*same, act=act)
    if asked.check_output and answer.document is not None:
        _checked(call, answer.document, signed, asked, upload)
    if signed and answer.document is not None:
        return _sent(call, uuid.UUID(answer.document), (upload.name, _PDF), signed[0])
    return _rendered(call, answer)


async def together(call: Call, upload: Upload) -> Response | None:
    """Sign a small document with those that come at the same time; None where `start` has to."""
    if call.key is not None or not _may_everywhere(call):
        return None
    asked = SignOptionsIn.parse(upload.options)
    shared = _shared(call, upload, asked, uuid7())
    if shared is None or asked.check_output:
        return None
    content = await call.wiring.together.signed(shared)
    if content is None:
        return None
    headers = _headers(shared.order.request_id, upload.name)
    return Response(content, media_type=_PDF, headers=headers)


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
        **_SIGNED,
    },
)
def complete(
    call: Signer, request_id: uuid.UUID, body: SignatureIn, *, check_output: bool = False
) -> Response:
    """Post the holder's signature and get the signed document, verified in full when asked.

    A signature beside a file cannot be: the file was not kept.
    """
    desk = call.wiring.desk
    if check_output:
        _require_kept(call, request_id)
    sign.complete(desk, request_id, body.raw(), at=call.at, actor=call.identity)
    if check_output:
        check_output_of(desk, request_id, at=call.at)
    return _document(call, request_id)


@router.get(
    "/{request_id}/document",
    response_class=Response,
    responses={
        **problems(404, 409, 410),
        **_SIGNED,
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


def _sign(
    call: Call, upload: Upload, asked: SignOptionsIn, attempt: Attempt, signed: list[BinaryIO]
) -> Answer:
    """Sign at once where the key answers now, and leave the file in `signed`; else begin."""
    shared = _shared(call, upload, asked, attempt.object_id)
    if shared is not None:
        if not _may_everywhere(call):
            _standing(call, asked)
        content = call.wiring.together.sign(shared)
        if content is not None:
            signed.append(io.BytesIO(content))
            return _finished(call, attempt, Answer(document=str(attempt.object_id)))
    found = _standing(call, asked)
    order = asked.with_templates(call.wiring.stamp_templates).order(
        certificate_id=found.id,
        file_name=upload.name,
        request_id=attempt.object_id,
        at=call.at,
    )
    at_once = call.wiring.at_once
    if not at_once.takes(found, order):
        return _begin(call, upload, order, attempt)
    signed.append(at_once.sign(upload.file, order, found, at=call.at, actor=call.identity))
    return _finished(call, attempt, Answer(document=str(order.request_id)))


def _shared(
    call: Call, upload: Upload, asked: SignOptionsIn, request_id: uuid.UUID
) -> Asked | None:
    """Give what is signed with others; None for what is not: large, or not to be told yet."""
    identifier = asked.plain_certificate_id
    if identifier is None or upload.size > WORTH_SHARING:
        return None
    order = asked.order(
        certificate_id=identifier, file_name=upload.name, request_id=request_id, at=call.at
    )
    return Asked(upload.file, upload.size, order, call.at, call.identity)


def _may_everywhere(call: Call) -> bool:
    return None in permissions.scopes(call.actor, Action.SIGN)


def _begin(call: Call, upload: Upload, order: SignOrder, attempt: Attempt) -> Answer:
    """Commit the intent, and go on as far as this server can without the holder."""
    desk = call.wiring.desk
    desk.documents.remove(order.request_id)  # what a crash before the intent left staged
    request = sign.start(desk, upload.file, order, at=call.at, actor=call.identity)
    if request.status is SignRequestStatus.PREPARED:
        request = sign.sign_now(desk, request.id, at=call.at, actor=call.identity)
    return _finished(call, attempt, _told(request))


def _resume(call: Call, upload: Upload, asked: SignOptionsIn, attempt: Attempt) -> Answer:
    """Go on where a lost attempt stopped; anew where it left nothing that can be signed."""
    request = _earlier(call, attempt)
    if request is not None and request.status is SignRequestStatus.PREPARED:
        try:
            request = sign.sign_now(call.wiring.desk, request.id, at=call.at, actor=call.identity)
        except (DocumentGone, PreparedStateInvalid):
            # the power went before the staged file was on the disk: this request has failed now
            request = _earlier(call, attempt)
    if request is not None and request.status not in _CLOSED:
        return _finished(call, attempt, _told(request))
    if request is not None:
        attempt = attempt.renewed(call.wiring.sessions)
    signed: list[BinaryIO] = []
    try:
        return _sign(call, upload, asked, attempt, signed)
    finally:
        for file in signed:
            file.close()


def _told(request: SignRequest) -> Answer:
    if request.status is SignRequestStatus.SIGNED:
        return Answer(document=str(request.id))
    return Answer(status=202, body=SignRequestOut.of(request).model_dump(mode="json"))


def _finished(call: Call, attempt: Attempt, answer: Answer) -> Answer:
    attempt.finish_alone(call.wiring.direct, answer)
    return answer


def _earlier(call: Call, attempt: Attempt) -> SignRequest | None:
    try:
        with call.transaction() as session:
            return sign.get(session, attempt.object_id, actor=call.identity)
    except SignRequestNotFound:
        return None


def _standing(call: Call, asked: SignOptionsIn) -> Standing:
    """Find the certificate, allowed to this caller and in force."""
    try:
        identifier = uuid.UUID(asked.certificate_id or "")
    except ValueError:
        with call.wiring.sessions() as session:
            identifier = _named(session, asked).id
    found = standing(call.wiring.direct, identifier)
    if None not in permissions.scopes(call.actor, Action.SIGN):  # the tree has to be asked
        with call.wiring.sessions() as session:
            call.require(session, Action.SIGN, organization_id=found.organization_id)
    found.require_in_force(at=call.at)
    return found


def _named(session: Session, asked: SignOptionsIn) -> Certificate:
    if asked.key is not None:
        return registry.by_key_uri(session, asked.key)
    return registry.get(session, asked.certificate_id or "")


def _checked(
    call: Call, document: str, signed: list[BinaryIO], asked: SignOptionsIn, upload: Upload
) -> None:
    """Verify what was signed; a refusal reaches the caller instead of the document."""
    beside = asked.format is SignatureFormat.CADES
    try:
        check_output_of(
            call.wiring.desk,
            uuid.UUID(document),
            at=call.at,
            password=asked.password,
            content=upload.file if beside else None,
        )
    except OutputRefused:
        for file in signed:
            file.close()
        raise


def _require_kept(call: Call, request_id: uuid.UUID) -> None:
    with call.transaction() as session:
        request = sign.get(session, request_id, actor=call.identity)
    if format_of(request) is SignatureFormat.CADES:
        raise ParameterInvalid("check_output", "the file beside this signature was not kept")


def _rendered(call: Call, answer: Answer) -> Response:
    if answer.document is not None:
        return _document(call, uuid.UUID(answer.document))
    return JSONResponse(answer.body, status_code=answer.status)


def _document(call: Call, request_id: uuid.UUID) -> Response:
    desk = call.wiring.desk
    request, file = sign.signed_document(desk, request_id, at=call.at, actor=call.identity)
    beside = format_of(request) is SignatureFormat.CADES
    named = (f"{request.file_name}.p7s", _CMS) if beside else (request.file_name, _PDF)
    return _sent(call, request_id, named, file)


def _sent(call: Call, request_id: uuid.UUID, named: tuple[str, str], file: BinaryIO) -> Response:
    """Send a signed file by its name and media type."""
    name, kind = named
    headers = _headers(request_id, name)
    with file:
        content = file.read(IN_MEMORY + 1)
    if len(content) <= IN_MEMORY:
        return Response(content, media_type=kind, headers=headers)
    path = call.wiring.desk.documents.path(request_id)
    return FileResponse(path, media_type=kind, headers=headers)


def _headers(request_id: uuid.UUID, file_name: str) -> dict[str, str]:
    return {
        "X-Sign-Request-Id": str(request_id),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name, safe='')}",
    }
