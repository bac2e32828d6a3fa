"""`/devices`: tokens and SIMs, and who holds them."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends

from api.auth import Call, needs
from api.permissions import Action
from api.responses import problems
from api.schemas.devices import DeviceIn, DeviceMove, DeviceOut
from ca import devices, subscribers

router = APIRouter(prefix="/devices", tags=["devices"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]


@router.post("", status_code=201, responses=problems(409))
def register(call: Writer, body: DeviceIn) -> DeviceOut:
    """Take a device into stock."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        row = devices.register(session, details=body.details(), at=call.at, actor=call.identity)
        return DeviceOut.of(row)


@router.get("/{device_id}", responses=problems(404))
def get(call: Reader, device_id: uuid.UUID) -> DeviceOut:
    """Show a device."""
    with call.transaction() as session:
        row = devices.get(session, device_id)
        holder = row.subscriber_id and subscribers.get(session, row.subscriber_id)
        where = holder.organization_id if holder else None
        call.require(session, Action.REGISTRY_READ, organization_id=where)
        return DeviceOut.of(row)


@router.post("/{device_id}/state", responses=problems(404, 409))
def move(call: Writer, device_id: uuid.UUID, body: DeviceMove) -> DeviceOut:
    """Hand a device over, or note that it is lost, locked, broken, returned or destroyed."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=None)
        if body.subscriber_id is not None:
            row = devices.hand_over(
                session,
                device_id,
                subscriber_id=body.subscriber_id,
                at=call.at,
                actor=call.identity,
            )
        else:
            row = devices.move(
                session, device_id, state=body.state, at=call.at, actor=call.identity
            )
        return DeviceOut.of(row)
