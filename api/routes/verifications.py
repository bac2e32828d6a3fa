"""`/verifications`: kept reports with their evidence; shown, exported, repeated, destroyed."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from api.auth import Call, needs, uploaded_to_verify
from api.errors import ParameterUnknown
from api.permissions import Action, scopes
from api.report_answers import FORMS, NOTICES, answer
from api.responses import Responses, problems
from api.routes.verify import document_body, judged
from api.schemas.verify import DestroyIn, DifferenceOut, ReplayOut, TombstoneOut, VerifyOptionsIn
from api.uploads import Upload
from signing import kept_pictures, receipts
from signing.errors import DocumentDiffers, VerificationNotFound
from signing.models import Verification

router = APIRouter(prefix="/verifications", tags=["verify"])
Verifier = Annotated[Call, Depends(needs(Action.VERIFY))]
_FORMS: Responses = {200: {"content": {kind: {} for kind in FORMS}, "description": "The report"}}
_ZIP: Responses = {200: {"content": {"application/zip": {}}, "description": "Report and evidence"}}


def _mine(call: Call, session: Session, verification_id: uuid.UUID) -> Verification:
    """Find a report of the caller's own; auditors of the whole tree find every one."""
    everything = None in scopes(call.actor, Action.AUDIT_READ)
    return receipts.get(session, verification_id, actor=None if everything else call.identity)


@router.get(
    "/{verification_id}",
    response_class=Response,
    responses={**problems(404, 406, 410), **_FORMS},
)
def show(request: Request, call: Verifier, verification_id: uuid.UUID) -> Response:
    """Show a kept report in any form."""
    with call.wiring.sessions() as session:
        kept = _mine(call, session, verification_id)
        differences = kept_pictures.differences_of(session, kept)
        return answer(request, receipts.report_of(kept), differences=differences)


@router.get("/{verification_id}/differences", responses=problems(404, 410))
def differences(call: Verifier, verification_id: uuid.UUID) -> list[DifferenceOut]:
    """List the kept pictures of pages that were changed after signing."""
    with call.wiring.sessions() as session:
        found = kept_pictures.differences_of(session, _mine(call, session, verification_id))
    return [
        DifferenceOut(
            number=number,
            signature=one.signature,
            page=one.page,
            forbidden=one.forbidden,
            boxes=list(one.boxes),
        )
        for number, one in enumerate(found, start=1)
    ]


@router.get(
    "/{verification_id}/differences/{number}.png",
    response_class=Response,
    responses={
        **problems(404, 410),
        200: {"content": {"image/png": {}}, "description": "The page before and now"},
    },
)
def difference(call: Verifier, verification_id: uuid.UUID, number: int) -> Response:
    """Show a changed page as it was signed beside how it is now, what differs framed."""
    with call.wiring.sessions() as session:
        found = kept_pictures.differences_of(session, _mine(call, session, verification_id))
    if not 1 <= number <= len(found):
        raise VerificationNotFound(f"report {verification_id} has {len(found)} kept pictures")
    return Response(found[number - 1].png, media_type="image/png")


@router.get(
    "/{verification_id}/return-notice",
    response_class=Response,
    responses={
        **problems(404, 406, 409, 410),
        200: {"content": {kind: {} for kind in NOTICES}, "description": "The notice"},
    },
)
def return_notice(request: Request, call: Verifier, verification_id: uuid.UUID) -> Response:
    """Write the notice that returns the document, as PDF or HTML."""
    with call.wiring.sessions() as session:
        report = receipts.report_of(_mine(call, session, verification_id))
        return answer(request, report, offered=NOTICES)


@router.get(
    "/{verification_id}/evidence",
    response_class=Response,
    responses={**problems(404, 410), **_ZIP},
)
def evidence(call: Verifier, verification_id: uuid.UUID) -> Response:
    """Export the report and what it rests on."""
    with call.wiring.sessions() as session:
        content = receipts.export(session, _mine(call, session, verification_id))
    name = f'attachment; filename="verification-{verification_id}.zip"'
    return Response(content, media_type="application/zip", headers={"Content-Disposition": name})


@router.post(
    "/{verification_id}/replay",
    openapi_extra=document_body(content=True),
    responses=problems(404, 409, 410, 413, 415, 503, 507),
)
def replay(
    call: Verifier,
    verification_id: uuid.UUID,
    upload: Annotated[Upload, Depends(uploaded_to_verify)],
) -> ReplayOut:
    """Repeat a kept verdict on the same document, from the stored evidence alone."""
    asked = VerifyOptionsIn.parse(upload.options)
    for name in asked.model_fields_set - {"password"}:
        raise ParameterUnknown(name, ["password"])
    password = asked.password
    with call.wiring.sessions() as session:
        kept = _mine(call, session, verification_id)
        given = upload if upload.content is None else upload.content
        if given.sha256 != kept.document_sha256:
            raise DocumentDiffers(f"the kept report is about {kept.document_sha256}")
        recording = receipts.recording_of(session, kept)
        before = receipts.report_of(kept)
    question = receipts.question_of(before, password=password)
    repeated = judged(call, upload, question, recording.repeating()).report
    return ReplayOut(same=receipts.same_verdict(before, repeated), report=dict(repeated))


@router.delete("/{verification_id}", responses=problems(404, 410))
def destroy(call: Verifier, verification_id: uuid.UUID, body: DestroyIn) -> TombstoneOut:
    """Destroy a kept report and its evidence; a tombstone says when, by whom and why."""
    with call.transaction() as session:
        kept = _mine(call, session, verification_id)
        made = receipts.destroy(
            session, kept.id, at=call.at, actor=call.identity, reason=body.reason
        )
        return TombstoneOut.of(made)
