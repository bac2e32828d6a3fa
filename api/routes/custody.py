"""`/devices`: the list of tokens and SIMs, and their custody step by step."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.devices import DeviceOut
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, Paged, decode_id, page
from api.schemas.people import CustodyDone, CustodyIn, CustodyOut
from ca import certificate_search, custody, devices, revoke, subscribers
from ca.certificate_search import SearchFilters
from ca.devices import DeviceFilters
from ca.models import CertificateStatus, Device, DeviceKind, DeviceState

router = APIRouter(prefix="/devices", tags=["devices"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]


@router.get("", responses=problems())
def listing(  # noqa: PLR0913, PLR0917 -- one parameter for each filter
    call: Reader,
    state: DeviceState | None = None,
    kind: DeviceKind | None = None,
    subscriber_id: uuid.UUID | None = None,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[DeviceOut]:
    """List devices, newest first; of a subtree, those that its people hold."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = devices.listing(
            session,
            filters=DeviceFilters(state, kind, subscriber_id, scope),
            limit=limit + 1,
            before=decode_id(cursor),
        )
        return page(rows, limit=limit, show=DeviceOut.of, key=lambda row: str(row.id))


@router.get("/{device_id}/custody", responses=problems(404))
def history(call: Reader, paging: Paged, device_id: uuid.UUID) -> Page[CustodyOut]:
    """List what happened to a device, the latest first."""
    with call.transaction() as session:
        row = devices.get(session, device_id)
        call.require(session, Action.REGISTRY_READ, organization_id=_where(session, row))
        rows = custody.history(session, device_id)
        return paging.page(rows, show=CustodyOut.of, key=lambda one: str(one.id))


@router.post("/{device_id}/custody", responses=problems(404, 409, 503))
def step(call: Writer, device_id: uuid.UUID, body: CustodyIn) -> CustodyDone:
    """Hand over by minutes, take back, or note lost, locked, unlocked, broken or destroyed."""
    with call.transaction() as session:
        row = devices.get(session, device_id)
        call.require(session, Action.REGISTRY_WRITE, organization_id=_where(session, row))
        note = body.custody_note()
        if body.subscriber_id is not None:
            note.check(hand_over=True)
            holder = subscribers.get(session, body.subscriber_id)
            call.require(session, Action.REGISTRY_WRITE, organization_id=holder.organization_id)
            row = devices.hand_over(
                session,
                device_id,
                subscriber_id=holder.id,
                at=call.at,
                actor=call.identity,
                note=note,
            )
        else:
            row = devices.move(
                session, device_id, state=body.state, at=call.at, actor=call.identity, note=note
            )
        suspended = _suspend(call, session, row) if body.suspend_certificates else []
        return CustodyDone(device=DeviceOut.of(row), suspended=suspended)


def _suspend(call: Call, session: Session, device: Device) -> list[uuid.UUID]:
    """Suspend what is in force on a device, in the transaction of the step."""
    filters = SearchFilters(device_serial=device.serial_number, status=CertificateStatus.ACTIVE)
    found = certificate_search.search(session, filters=filters, limit=certificate_search.MAX_PAGE)
    for certificate in found.items:
        call.require(
            session, Action.CERTIFICATE_REVOKE, organization_id=certificate.organization_id
        )
        revoke.suspend(
            session,
            certificate_id=certificate.id,
            keys=call.wiring.keys,
            at=call.at,
            actor=call.identity,
        )
    return [certificate.id for certificate in found.items]


def _where(session: Session, device: Device) -> uuid.UUID | None:
    if device.subscriber_id is None:
        return None
    return subscribers.get(session, device.subscriber_id).organization_id
