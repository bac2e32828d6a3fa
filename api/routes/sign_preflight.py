"""`/sign/preflight`, `/sign/preview` and `/sign/presets`: before anything is signed."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy.orm import Session

from api.auth import Call, needs, uploaded
from api.errors import ParameterInvalid
from api.permissions import Action
from api.responses import problems
from api.routes.sign import DOCUMENT_BODY
from api.schemas.sign import SignOptionsIn
from api.schemas.sign_preflight import PreflightOut, PresetOut
from api.uploads import Upload
from ca import registry
from ca.models import Certificate
from db.base import uuid7
from pdf.presets import PRESETS
from pdf.preview import DEFAULT_DPI, MOST_DPI
from signing import preflight
from signing.sign import SignOrder

router = APIRouter(prefix="/sign", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]
Received = Annotated[Upload, Depends(uploaded)]
_PNG: Final = "image/png"


@router.post("/preflight", openapi_extra=DOCUMENT_BODY, responses=problems(404, 413, 415, 503, 507))
def ask(call: Signer, upload: Received) -> PreflightOut:
    """Say what signing would do with this document and these options, and why not."""
    order, _ = _order(call, upload)
    found = preflight.preflight(call.wiring.desk, upload.file, order, at=call.at)
    return PreflightOut.of(found)


@router.post(
    "/preview",
    openapi_extra=DOCUMENT_BODY,
    response_class=Response,
    responses={
        **problems(404, 413, 415, 503, 507),
        200: {"content": {_PNG: {}}, "description": "The page with the stamp"},
    },
)
def preview(call: Signer, upload: Received) -> Response:
    """Draw the page as it would look; `dpi` may be among the options."""
    order, dpi = _order(call, upload)
    drawn = preflight.preview(call.wiring.desk, upload.file, order, at=call.at, dpi=dpi)
    headers = {
        "X-Page": str(drawn.page),
        "X-Pages": str(drawn.pages),
        "X-Box": ",".join(f"{side:.2f}" for side in drawn.box),
        "X-Scale": f"{drawn.scale:.6f}",
    }
    return Response(drawn.png, media_type=_PNG, headers=headers)


@router.get("/presets", responses=problems())
def presets(call: Signer) -> list[PresetOut]:
    """List the looks of visible signatures, the installation's own at the end."""
    own = call.wiring.stamp_templates.listed()
    return [PresetOut.of(preset) for preset in (*PRESETS.values(), *own)]


def _order(call: Call, upload: Upload) -> tuple[SignOrder, float]:
    options = dict(upload.options)
    dpi = _dpi(options.pop("dpi", DEFAULT_DPI))
    asked = SignOptionsIn.parse(options).require_pdf()
    with call.transaction() as session:
        row = _certificate(session, asked)
        call.require(session, Action.SIGN, organization_id=row.organization_id)
        identifier = row.id
    order = asked.with_templates(call.wiring.stamp_templates).order(
        certificate_id=identifier, file_name=upload.name, request_id=uuid7(), at=call.at
    )
    return order, dpi


def _certificate(session: Session, asked: SignOptionsIn) -> Certificate:
    if asked.key is not None:
        return registry.by_key_uri(session, asked.key)
    return registry.get(session, asked.certificate_id or "")


def _dpi(value: object) -> float:
    try:
        dpi = float(str(value))
    except ValueError:
        dpi = 0.0
    if not 1 <= dpi <= MOST_DPI:
        raise ParameterInvalid("dpi", f"a number from 1 to {MOST_DPI:g} is expected")
    return dpi
