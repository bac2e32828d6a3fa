"""`/verify`: a document goes in, the report on its signatures comes out."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from api.auth import Call, needs, uploaded
from api.permissions import Action
from api.responses import problems
from api.schemas.verify import VerifyOptionsIn
from api.uploads import Upload
from signing import verify

router = APIRouter(prefix="/verify", tags=["verify"])
Verifier = Annotated[Call, Depends(needs(Action.VERIFY))]
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
                        "options": VerifyOptionsIn.model_json_schema(),
                    },
                }
            },
            "application/pdf": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post("", openapi_extra=_BODY, responses=problems(413, 415, 503))
def verify_(call: Verifier, upload: Annotated[Upload, Depends(uploaded)]) -> JSONResponse:
    """Judge every signature of a document; whatever the file, the answer is a report."""
    asked = VerifyOptionsIn.parse(upload.options)
    question = verify.Question(
        file_name=upload.name,
        at=asked.at or call.at,
        checked_at=call.at,
        password=asked.password,
    )
    report = verify.verify(
        upload.file,
        question,
        validator=call.wiring.validator(anchors=asked.anchors()),
        sessions=call.wiring.sessions,
    )
    if asked.store:
        with call.transaction() as session:
            verify.keep(session, report, actor=call.identity)
    return JSONResponse(report.to_dict())
