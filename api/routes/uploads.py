"""`/uploads`: documents sent one by one, to be signed together by their ids (`/sign/batches`)."""

import uuid
from datetime import datetime
from functools import partial
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from api.auth import Call, needs, uploaded
from api.errors import ParameterUnknown
from api.permissions import Action
from api.responses import problems
from api.uploads import FILE_NAME, MAX_OPTION_BYTES, Upload
from signing.models_kept import KeptDocument
from signing.staged_uploads import upload_of

router = APIRouter(prefix="/uploads", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]
_PDF = "application/pdf"
_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}}
            },
            _PDF: {"schema": _FILE},
        },
    }
}


class UploadOut(BaseModel):
    """A document that waits for its batch."""

    id: uuid.UUID
    file_name: str
    sha256: str
    size: int
    expires_at: datetime

    @classmethod
    def of(cls, found: KeptDocument) -> Self:
        """Show one."""
        return cls(
            id=found.id,
            file_name=found.file_name,
            sha256=found.sha256,
            size=found.size,
            expires_at=found.expires_at,
        )


async def room(request: Request, call: Signer) -> None:
    """Refuse before the document is received, where it says how large it is and does not fit."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdigit() else 0
    if not request.headers.get("content-type", "").startswith(_PDF):
        size = max(0, size - MAX_OPTION_BYTES)  # a form has more in it than the document
    wiring = call.wiring
    if size <= wiring.settings.max_upload_bytes:  # else it is too large, whatever waits
        ask = partial(wiring.uploads.require_room, size, at=call.at, actor=call.identity)
        await run_in_threadpool(ask)


@router.post("", status_code=201, openapi_extra=_BODY, responses=problems(409, 413, 415, 507))
def add(
    call: Signer,
    _room: Annotated[None, Depends(room)],
    upload: Annotated[Upload, Depends(uploaded)],
) -> UploadOut:
    """Send a document that is to be signed in a batch; it is kept for a day.

    What one caller may have waiting is bounded, in documents and in bytes (`allowance_spent`).
    """
    for name in upload.options:
        raise ParameterUnknown(name, [FILE_NAME])
    made = upload_of(
        upload.name, sha256=upload.sha256, size=upload.size, at=call.at, actor=call.identity
    )
    return UploadOut.of(call.wiring.uploads.add(upload.file, made))


@router.get("/{upload_id}", responses=problems(404))
def get(call: Signer, upload_id: uuid.UUID) -> UploadOut:
    """Show an upload of one's own."""
    return UploadOut.of(call.wiring.uploads.get(upload_id, actor=call.identity))


@router.delete("/{upload_id}", status_code=204, responses=problems(404))
def remove(call: Signer, upload_id: uuid.UUID) -> Response:
    """Forget an upload of one's own."""
    call.wiring.uploads.remove(upload_id, actor=call.identity)
    return Response(status_code=204)
