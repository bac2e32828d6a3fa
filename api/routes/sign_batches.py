"""`/sign/batches`: many documents, one consent, a result for each file."""

import tempfile
import uuid
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, BinaryIO, Final, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from api.auth import Call, needs, wiring_of
from api.batch_uploads import BatchUpload, receive_batch
from api.errors import ParameterInvalid
from api.idempotency import Answer, Attempt
from api.permissions import Action
from api.query_names import reads_query
from api.responses import problems
from api.schemas.sign import SignOptionsIn
from api.schemas.sign_batches import BatchOut
from ca import registry
from signing import batch_run, batches, sign
from signing.batches import MOST_FILES, BatchFile, BatchOrder
from signing.errors import SignRequestNotSigned
from signing.models_batches import BatchStatus, ItemStatus

router = APIRouter(prefix="/sign/batches", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]
KeyedSigner = Annotated[Call, Depends(needs(Action.SIGN, keyed=True))]
AT_ONCE_FILES: Final = 10
AT_ONCE_BYTES: Final = 20 * 1024 * 1024
"""Up to here a batch is signed in the request; larger ones are work for the job worker."""
MOST_SHOWN: Final = 500
_CHUNK: Final = 1024 * 1024
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files", "options"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "Documents, or one ZIP archive of them",
                        },
                        "options": SignOptionsIn.model_json_schema(),
                    },
                }
            },
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["uploads"],
                    "properties": {
                        "uploads": {
                            "type": "array",
                            "items": {"type": "string", "format": "uuid"},
                            "description": "Ids of documents that were sent to /uploads; the "
                            "options stand beside them",
                        }
                    },
                }
            },
        },
    }
}


async def uploaded_batch(request: Request) -> AsyncIterator[BatchUpload]:
    """Receive the request's documents; declared after `needs`, so that strangers send nothing."""
    wiring = wiring_of(request)
    limit = wiring.settings.max_upload_bytes
    upload = await receive_batch(request, spool=wiring.spool, limit=limit)
    try:
        yield upload
    finally:
        upload.close()


reads_query(uploaded_batch)


@router.post(
    "",
    openapi_extra=_BODY,
    response_model=BatchOut,
    responses={
        **problems(404, 409, 413, 415, 503, 507),
        200: {"model": BatchOut, "description": "Every document has its result"},
        202: {"model": BatchOut, "description": "The documents are being signed"},
    },
)
def create(call: KeyedSigner, upload: Annotated[BatchUpload, Depends(uploaded_batch)]) -> Response:
    """Take documents and the consent to sign them; small batches are signed at once."""
    options = dict(upload.options)
    named = options.pop("uploads", None)
    asked = SignOptionsIn.parse(options).require_pdf()
    if named is not None:
        return _of_uploads(call, upload, _ids(named), asked)
    unpacked = upload.unpacked(call.wiring.spool)
    try:
        return _created(call, unpacked.files(), asked)
    finally:
        unpacked.close()


def _of_uploads(
    call: Call, upload: BatchUpload, ids: list[uuid.UUID], asked: SignOptionsIn
) -> Response:
    """Make a batch of documents that were sent before, and let them go."""
    if upload.segments:
        raise ParameterInvalid("uploads", "either documents or uploads are expected")
    uploads = call.wiring.uploads
    files = uploads.files(ids, actor=call.identity)
    answer = _created(call, files, asked, uploads=frozenset(ids))
    uploads.let_go(ids, actor=call.identity)
    return answer


def _ids(named: object) -> list[uuid.UUID]:
    if not isinstance(named, list) or not 1 <= len(named) <= MOST_FILES:
        raise ParameterInvalid("uploads", f"a list of 1 to {MOST_FILES} ids is expected")
    try:
        ids = [uuid.UUID(str(each)) for each in named]
    except ValueError as error:
        raise ParameterInvalid("uploads", "an id is not one") from error
    if len(set(ids)) < len(ids):
        raise ParameterInvalid("uploads", "an upload is named twice")
    return ids


def _created(
    call: Call,
    files: list[BatchFile],
    asked: SignOptionsIn,
    *,
    uploads: frozenset[uuid.UUID] = frozenset(),
) -> Response:
    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            if asked.key is not None:
                row = registry.by_key_uri(session, asked.key)
            else:
                row = registry.get(session, asked.certificate_id or "")
            call.require(session, Action.SIGN, organization_id=row.organization_id)
        wish = asked.with_templates(call.wiring.stamp_templates)
        order = BatchOrder(
            certificate_id=row.id,
            options=wish.signature_options(at=call.at),
            level=wish.level,
            when_no_timestamp=wish.when_no_timestamp,
            template=wish.stamp.template if wish.stamp is not None else None,
            batch_id=attempt.object_id,
            uploads=uploads,
        )
        desk = call.wiring.desk
        made = batches.create(desk, order, files, at=call.at, actor=call.identity)
        answer = Answer(status=202, body={"id": str(made.id)})
        with call.transaction() as session:
            attempt.finish(session, answer)
        return answer

    digests = [(each.name, each.sha256) for each in files]
    answer = call.once("batch", digests, asked.model_dump(mode="json"), act=act)
    batch_id = uuid.UUID(str(cast("dict[str, object]", answer.body)["id"]))
    if len(files) <= AT_ONCE_FILES and sum(each.size for each in files) <= AT_ONCE_BYTES:
        wiring = call.wiring
        batch_run.run(wiring.desk, batch_id, clock=wiring.clock, at_once=wiring.at_once)
    shown = _shown(call, batch_id)
    ended = shown.status is not BatchStatus.RUNNING
    return JSONResponse(shown.model_dump(mode="json"), status_code=200 if ended else 202)


@router.get("/{batch_id}", responses=problems(404))
def get(
    call: Signer,
    batch_id: uuid.UUID,
    limit: Annotated[int, Query(ge=1, le=MOST_SHOWN)] = 100,
    cursor: str | None = None,
    status: ItemStatus | None = None,
) -> BatchOut:
    """Show how far a batch is, with a page of its results."""
    return _shown(call, batch_id, limit=limit, cursor=cursor, status=status)


@router.post("/{batch_id}/resume", responses=problems(404, 409))
def resume(call: Signer, batch_id: uuid.UUID) -> BatchOut:
    """Let a batch go on that token, certificate or time-stamps had stopped."""
    with call.transaction() as session:
        batches.resume(session, batch_id, at=call.at, actor=call.identity)
    return _shown(call, batch_id)


@router.delete("/{batch_id}", responses=problems(404))
def cancel(call: Signer, batch_id: uuid.UUID) -> BatchOut:
    """Give up what is not signed yet; what is signed stays."""
    batches.cancel(call.wiring.desk, batch_id, at=call.at, actor=call.identity)
    return _shown(call, batch_id)


@router.get(
    "/{batch_id}/documents/{position}",
    response_class=Response,
    responses={
        **problems(404, 409, 410),
        200: {"content": {"application/pdf": {}}, "description": "The signed document"},
    },
)
def document(call: Signer, batch_id: uuid.UUID, position: int) -> Response:
    """Fetch one signed document."""
    with call.transaction() as session:
        found = batches.item(session, batch_id, position, actor=call.identity)
        status, request_id, name = found.status, found.request_id, found.file_name
    if status in {ItemStatus.FAILED, ItemStatus.CANCELLED}:
        raise SignRequestNotSigned(f"document {position} was not signed: {status}")
    desk = call.wiring.desk
    _, file = sign.signed_document(desk, request_id, at=call.at, actor=call.identity)
    file.close()
    return FileResponse(
        desk.documents.path(request_id),
        media_type="application/pdf",
        headers={**_named(name), "X-Sign-Request-Id": str(request_id)},
    )


@router.get(
    "/{batch_id}/documents",
    response_class=Response,
    responses={
        **problems(404, 410, 507),
        200: {"content": {"application/zip": {}}, "description": "The signed documents"},
    },
)
def documents(call: Signer, batch_id: uuid.UUID) -> Response:
    """Fetch every document that is signed by now, as a ZIP archive."""
    spool = call.wiring.spool
    packed = cast("BinaryIO", tempfile.TemporaryFile(dir=spool.folder))  # noqa: SIM115 -- closed by _streamed
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for name, request_id in _signed(call, batch_id):
                path = call.wiring.desk.documents.path(request_id)
                spool.require(path.stat().st_size)
                archive.write(path, name)
        size = packed.tell()
    except FileNotFoundError as error:
        packed.close()
        raise SignRequestNotSigned("a document of the batch is no longer stored") from error
    except BaseException:
        packed.close()
        raise
    headers = {**_named(f"{batch_id}.zip"), "Content-Length": str(size)}
    return StreamingResponse(_streamed(packed), media_type="application/zip", headers=headers)


def _signed(call: Call, batch_id: uuid.UUID) -> Iterator[tuple[str, uuid.UUID]]:
    """Yield the names in the archive, each once, and the requests of the signed files."""
    seen: set[str] = set()
    after = -1
    with call.transaction() as session:
        batches.progress(session, batch_id, actor=call.identity)
        while rows := batches.items(
            session, batch_id, after=after, limit=MOST_SHOWN, status=ItemStatus.SIGNED
        ):
            for row in rows:
                name = row.file_name
                if name in seen:
                    name = f"{row.position:04d}-{name}"
                seen.add(name)
                yield name, row.request_id
            after = rows[-1].position


def _streamed(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk


def _shown(
    call: Call,
    batch_id: uuid.UUID,
    *,
    limit: int = 100,
    cursor: str | None = None,
    status: ItemStatus | None = None,
) -> BatchOut:
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):  # noqa: PLR2004 -- digits of a position
        raise ParameterInvalid("cursor", "a next_cursor of this batch is expected")
    after = int(cursor) if cursor is not None else -1
    with call.transaction() as session:
        found = batches.progress(session, batch_id, actor=call.identity)
        rows = batches.items(session, batch_id, after=after, limit=limit + 1, status=status)
        return BatchOut.of(found, rows, limit=limit)


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
