"""`/verify` and `/edoc/verify`: a file goes in, the report on its signatures comes out."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from api.auth import Call, needs, uploaded_to_verify
from api.permissions import Action
from api.report_answers import FORMS, PICTURED, answer, chosen
from api.responses import Responses, problems
from api.schemas.verify import VerifyOptionsIn
from api.uploads import Upload
from ca.recording import Recording
from pdf.detached import looks_like_cms
from pdf.differences import Difference
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


def document_body(*, content: bool) -> dict[str, object]:
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
    openapi_extra=document_body(content=True),
    responses={**problems(406, 413, 415, 503, 507), **_FORMS},
)
def verify_(request: Request, call: Verifier, upload: Verified) -> Response:
    """Judge every signature of a PDF or of a CMS (.p7s); whatever the file, there is a report.

    With `store` the report is kept with its evidence, and `X-Verification-Id` names it.
    """
    asked = VerifyOptionsIn.parse(upload.options)
    form = chosen(request.headers.get("accept"), FORMS)  # before any work is done for nothing
    pictures = form in PICTURED or (asked.store and asked.pictures)
    if asked.store:
        return _kept(request, call, upload, asked, pictures=pictures)
    validator = call.wiring.validator(anchors=asked.anchors())
    question = asked.question(call.at, upload)
    found = judged(call, upload, question, validator, pictures=pictures)
    return answer(request, found.report, differences=found.differences)


@router.post(
    "/edoc/verify",
    response_class=Response,
    openapi_extra=document_body(content=False),
    responses={**problems(406, 413, 415, 503, 507), **_FORMS},
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


@dataclass(frozen=True)
class Judged:
    """A report, and pictures of changed pages if they were asked for."""

    report: dict[str, JSON]
    differences: tuple[Difference, ...] = ()


def judged(
    call: Call,
    upload: Upload,
    question: Question,
    validator: CertificateValidator,
    *,
    pictures: bool = False,
) -> Judged:
    """Judge an upload in a worker, and add what the registry knows."""
    differences: tuple[Difference, ...] = ()
    judging = Judging(call.wiring.isolation, validator)
    first = upload.file.read(_FIRST)
    upload.file.seek(0)
    if upload.content is not None:
        report = judging.detached(upload.file, upload.content.file, question)
    elif looks_like_cms(first) and upload.name.lower().endswith(_CMS_NAMES):
        report = judging.detached(upload.file, None, question)
    elif pictures:
        report, differences = judging.pictured(upload.file, question)
    else:
        report = judging.document(upload.file, question)
    verify.add_signers(call.wiring.direct, report)
    return Judged(report, differences)


def recorded(
    call: Call, upload: Upload, asked: VerifyOptionsIn, *, pictures: bool = False
) -> tuple[Judged, Recording]:
    """Judge an upload and keep in a recording what the verdict rests on."""
    recording, listening = call.wiring.recording(anchors=asked.anchors())
    validator = receipts.KeepingValidator(listening, recording)
    question = asked.question(call.at, upload)
    return judged(call, upload, question, validator, pictures=pictures), recording


def _kept(
    request: Request, call: Call, upload: Upload, asked: VerifyOptionsIn, *, pictures: bool
) -> Response:
    call.wiring.spool.require()  # the database may lie on the same disk
    found, recording = recorded(call, upload, asked, pictures=pictures)
    receipt = receipts.Receipt(
        report=found.report,
        recording=recording,
        actor=call.identity,
        at=call.at,
        differences=found.differences if asked.pictures else (),
    )
    with call.transaction() as session:
        kept = receipts.keep(session, receipt)
        headers = {"X-Verification-Id": str(kept.id)}
    return answer(request, found.report, headers=headers, differences=found.differences)
