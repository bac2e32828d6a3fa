"""`/verify` and `/edoc/verify`: a file goes in, the report on its signatures comes out."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.auth import Call, needs, uploaded_to_verify
from api.permissions import Action
from api.report_answers import FORMS, answer, chosen
from api.responses import Responses, problems
from api.schemas.verify import VerifyOptionsIn
from api.uploads import Upload
from ca.recording import Recording
from pdf.detached import looks_like_cms
from pdf.report import JSON
from pdf.validator import CertificateValidator
from signing import receipts, verify
from signing.judging import Judging, Question

router = APIRouter(tags=["verify"])
Verifier = Annotated[Call, Depends(needs(Action.VERIFY))]
Verified = Annotated[Upload, Depends(uploaded_to_verify)]
_BINARY = {"type": "string", "format": "binary"}
_FIRST = 64
_CMS_NAMES = (".p7s", ".p7m", ".cms", ".sig")


def _body(*, content: bool) -> dict[str, object]:
    """Describe the request for the OpenAPI document."""
    parts: dict[str, object] = {"file": _BINARY, "options": VerifyOptionsIn.model_json_schema()}
    raw = "application/xml"
    if content:
        parts["content"] = {**_BINARY, "description": "What a detached signature is over"}
        raw = "application/pdf"
    form = {"type": "object", "required": ["file"], "properties": parts}
    return {
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}, raw: {"schema": _BINARY}},
        }
    }


_FORMS: Responses = {200: {"content": {kind: {} for kind in FORMS}, "description": "The report"}}


@router.post(
    "/verify",
    response_class=Response,
    openapi_extra=_body(content=True),
    responses={**problems(406, 413, 415, 503), **_FORMS},
)
def verify_(request: Request, call: Verifier, upload: Verified) -> Response:
    """Judge every signature of a PDF or of a CMS (.p7s); whatever the file, there is a report.

    With `store` the report is kept with its evidence, and `X-Verification-Id` names it.
    """
    asked = VerifyOptionsIn.parse(upload.options)
    chosen(request.headers.get("accept"), FORMS)  # before any work is done for nothing
    if asked.store:
        return _kept(request, call, upload, asked)
    validator = call.wiring.validator(anchors=asked.anchors())
    return answer(request, judged(call, upload, asked.question(call.at, upload), validator))


@router.post(
    "/edoc/verify",
    response_class=Response,
    openapi_extra=_body(content=False),
    responses={**problems(406, 413, 415, 503), **_FORMS},
)
def verify_edoc(request: Request, call: Verifier, upload: Verified) -> Response:
    """Judge every attachment of an `.edxml` message."""
    asked = VerifyOptionsIn.parse(upload.options)
    chosen(request.headers.get("accept"), FORMS)
    judging = Judging(call.wiring.isolation, call.wiring.validator(anchors=asked.anchors()))
    report = judging.edoc(upload.file, asked.question(call.at, upload))
    with call.wiring.sessions() as session:
        verify.add_sender(session, call.wiring.direct, report)
    return answer(request, report)


def judged(
    call: Call, upload: Upload, question: Question, validator: CertificateValidator
) -> dict[str, JSON]:
    """Judge an upload in a worker, and add what the registry knows."""
    judging = Judging(call.wiring.isolation, validator)
    first = upload.file.read(_FIRST)
    upload.file.seek(0)
    if upload.content is not None:
        report = judging.detached(upload.file, upload.content.file, question)
    elif looks_like_cms(first) and upload.name.lower().endswith(_CMS_NAMES):
        report = judging.detached(upload.file, None, question)
    else:
        report = judging.document(upload.file, question)
    verify.add_signers(call.wiring.direct, report)
    return report


def recorded(
    call: Call, upload: Upload, asked: VerifyOptionsIn
) -> tuple[Mapping[str, JSON], Recording]:
    """Judge an upload and keep in a recording what the verdict rests on."""
    recording, listening = call.wiring.recording(anchors=asked.anchors())
    validator = receipts.KeepingValidator(listening, recording)
    return judged(call, upload, asked.question(call.at, upload), validator), recording


def _kept(request: Request, call: Call, upload: Upload, asked: VerifyOptionsIn) -> Response:
    report, recording = recorded(call, upload, asked)
    receipt = receipts.Receipt(report=report, recording=recording, actor=call.identity, at=call.at)
    with call.transaction() as session:
        kept = receipts.keep(session, receipt)
        headers = {"X-Verification-Id": str(kept.id)}
    return answer(request, report, headers=headers)
