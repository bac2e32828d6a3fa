"""`/trust-anchors`: which other CAs' certificates paths may end at, one by one and by lists."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from api.auth import Call, needs, receiving
from api.permissions import Action
from api.responses import problems
from api.schemas.administration import TrustAnchorIn, TrustAnchorOut
from api.schemas.lists import Page, Paged
from api.schemas.trusted_lists import TrustedListIn, TrustedListOut
from api.uploads import Upload
from ca import trust, trusted_lists
from ca.trusted_list import MAX_LIST_BYTES

router = APIRouter(prefix="/trust-anchors", tags=["administration"])
Reader = Annotated[Call, Depends(needs(Action.TRUST_READ))]
Writer = Annotated[Call, Depends(needs(Action.TRUST_WRITE))]
_TYPES = ("multipart/form-data",)
_BINARY = {"type": "string", "format": "binary"}
_BODY: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "options"],
                    "properties": {"file": _BINARY, "options": TrustedListIn.model_json_schema()},
                }
            }
        },
    }
}


uploaded_list = receiving(_TYPES, most=MAX_LIST_BYTES)


@router.get("", responses=problems())
def listing(call: Reader, paging: Paged) -> Page[TrustAnchorOut]:
    """List the added anchors; our own root is always trusted and not listed."""
    with call.transaction() as session:
        rows = trust.list_anchors(session)
        return paging.page(rows, show=TrustAnchorOut.of, key=lambda row: str(row.id))


@router.post("", status_code=201, responses=problems(409))
def add(call: Writer, body: TrustAnchorIn) -> TrustAnchorOut:
    """Trust a CA certificate from now on."""
    with call.transaction() as session:
        call.require(session, Action.TRUST_WRITE, organization_id=None)
        row = trust.add_anchor(session, body.pem.encode(), at=call.at, actor=call.identity)
        return TrustAnchorOut.of(row)


@router.delete("/{anchor_id}", status_code=204, responses=problems(404))
def remove(call: Writer, anchor_id: uuid.UUID) -> Response:
    """Trust it no more; what was verified before stays as it was reported."""
    with call.transaction() as session:
        call.require(session, Action.TRUST_WRITE, organization_id=None)
        trust.remove_anchor(session, anchor_id, at=call.at, actor=call.identity)
    return Response(status_code=204)


@router.get("/lists", responses=problems())
def lists(call: Reader, paging: Paged) -> Page[TrustedListOut]:
    """List the trusted lists, and whether they are in force."""
    with call.transaction() as session:
        rows = trusted_lists.list_lists(session)
        return paging.page(
            rows,
            show=lambda row: TrustedListOut.of(row, at=call.at),
            key=lambda row: str(row.id),
        )


@router.post("/lists", status_code=201, openapi_extra=_BODY, responses=problems(409, 413, 415, 507))
def import_list(call: Writer, upload: Annotated[Upload, Depends(uploaded_list)]) -> TrustedListOut:
    """Trust what a list of ETSI TS 119 612 says; `signer` is its operator's certificate as PEM.

    A newer list of the same scheme takes the place of the old one.
    """
    asked = TrustedListIn.parse(upload.options)
    data = upload.file.read()
    with call.transaction() as session:
        call.require(session, Action.TRUST_WRITE, organization_id=None)
        row = trusted_lists.import_list(
            session, data, signer=asked.signer.encode(), at=call.at, actor=call.identity
        )
        return TrustedListOut.of(row, at=call.at)


@router.delete("/lists/{list_id}", status_code=204, responses=problems(404))
def remove_list(call: Writer, list_id: uuid.UUID) -> Response:
    """Trust a list no more."""
    with call.transaction() as session:
        call.require(session, Action.TRUST_WRITE, organization_id=None)
        trusted_lists.remove_list(session, list_id, at=call.at, actor=call.identity)
    return Response(status_code=204)
