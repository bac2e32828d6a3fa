"""`/stamp-templates`: the installation's own looks of visible signatures, used by their names."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.auth import Call, needs
from api.errors import BodyTooLarge
from api.permissions import Action
from api.responses import problems
from api.schemas.sign_preflight import PresetOut
from pdf.templates import MAX_TEMPLATE_BYTES

router = APIRouter(prefix="/stamp-templates", tags=["sign"])
Signer = Annotated[Call, Depends(needs(Action.SIGN))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


async def sent(request: Request) -> bytes:
    """Read the body, which is small."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_TEMPLATE_BYTES:
            raise BodyTooLarge(MAX_TEMPLATE_BYTES)
    return bytes(data)


@router.get("", responses=problems())
def listing(call: Signer) -> list[PresetOut]:
    """List the templates; a file that breaks a rule is left out."""
    return [PresetOut.of(preset) for preset in call.wiring.stamp_templates.listed()]


@router.put("/{name}", openapi_extra=_BODY, responses=problems(413, 422))
def put(call: Writer, name: str, data: Annotated[bytes, Depends(sent)]) -> PresetOut:
    """Store a template, JSON or TOML, in the place of an earlier one of that name."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        preset = call.wiring.stamp_templates.put(
            session, name, data, at=call.at, actor=call.identity
        )
    return PresetOut.of(preset)


@router.delete("/{name}", status_code=204, responses=problems(404))
def remove(call: Writer, name: str) -> Response:
    """Take a template away; what was signed with it stays as it is."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        call.wiring.stamp_templates.remove(session, name, at=call.at, actor=call.identity)
    return Response(status_code=204)
