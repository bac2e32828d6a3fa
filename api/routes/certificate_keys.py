"""`/certificates/{id}/key`: the phone or the service that signs for a certificate."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from api.auth import Call, needs
from api.errors import ParameterInvalid
from api.permissions import Action
from api.responses import problems
from api.schemas.certificates import CertificateOut
from api.schemas.lists import Schema
from ca import key_addresses, registry
from hsm.key_uri import MAX_URI_LENGTH, KeyURI

router = APIRouter(prefix="/certificates", tags=["certificates"])
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
_PIN_SOURCE = re.compile(r"home:pins/[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}")
"""The only secrets that a caller may have sent to a provider; others are the operator's own."""


class KeyAddressIn(Schema):
    """`sim:provider/+84912345678` or `csc:provider/credential`; null: only the holder has it."""

    key: str | None = Field(max_length=MAX_URI_LENGTH)


@router.put("/{certificate_id}/key", responses=problems(404, 409))
def put(call: Writer, certificate_id: str, body: KeyAddressIn) -> CertificateOut:
    """Say where the key of a certificate is that is on a SIM or at a signing service."""
    address = None if body.key is None else KeyURI.parse(body.key)
    if address is not None and not _PIN_SOURCE.fullmatch(address.pin_source or "home:pins/none"):
        raise ParameterInvalid("key", "pin-source names a file below home:pins/")
    with call.transaction() as session:
        row = registry.get(session, certificate_id)
        call.require(session, Action.REGISTRY_WRITE, organization_id=row.organization_id)
        row = key_addresses.assign(session, row.id, address, at=call.at, actor=call.identity)
        return CertificateOut.of(row, at=call.at)
