"""`/webhooks`: who is told of what, what was told, and telling it again."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends

from api import webhooks
from api.auth import Call, needs
from api.errors import ParameterInvalid
from api.models_webhooks import Webhook
from api.permissions import Action
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode, decode_id, page
from api.schemas.webhooks import DeliveryOut, WebhookIn, WebhookMade, WebhookOut

router = APIRouter(prefix="/webhooks", tags=["administration"])
Administrator = Annotated[Call, Depends(needs(Action.WEBHOOK_ADMINISTER))]


@router.post("", status_code=201, responses=problems(409))
def register(call: Administrator, body: WebhookIn) -> WebhookMade:
    """Register an address; the secret that signs what it is sent is in this answer only."""
    with call.transaction() as session:
        call.require(session, Action.WEBHOOK_ADMINISTER, organization_id=None)
        row = webhooks.register(
            session, url=body.url, events=body.events, at=call.at, actor=call.identity
        )
        return _made(call, row)


@router.get("", responses=problems())
def listing(
    call: Administrator, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[WebhookOut]:
    """List the webhooks."""
    with call.transaction() as session:
        call.require(session, Action.WEBHOOK_ADMINISTER, organization_id=None)
        rows = webhooks.listing(session, limit=limit + 1, after=decode_id(cursor))
        return page(rows, limit=limit, show=WebhookOut.of, key=lambda row: str(row.id))


@router.post("/{webhook_id}/secret", responses=problems(404))
def rotate(call: Administrator, webhook_id: uuid.UUID) -> WebhookMade:
    """Make another secret; the one before signs nothing any more."""
    with call.transaction() as session:
        call.require(session, Action.WEBHOOK_ADMINISTER, organization_id=None)
        row = webhooks.rotate(session, webhook_id, at=call.at, actor=call.identity)
        return _made(call, row)


@router.delete("/{webhook_id}", responses=problems(404))
def disable(call: Administrator, webhook_id: uuid.UUID) -> WebhookOut:
    """Tell an address nothing more."""
    with call.transaction() as session:
        call.require(session, Action.WEBHOOK_ADMINISTER, organization_id=None)
        row = webhooks.disable(session, webhook_id, at=call.at, actor=call.identity)
        return WebhookOut.of(row)


@router.get("/{webhook_id}/deliveries", responses=problems(404))
def deliveries(
    call: Administrator, webhook_id: uuid.UUID, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[DeliveryOut]:
    """List what an address was or is to be told, newest first."""
    position = decode(cursor)
    if position is not None and not position.isdigit():
        raise ParameterInvalid("cursor", "not a cursor of this list")
    before = int(position) if position is not None else None
    with call.transaction() as session:
        call.require(session, Action.WEBHOOK_ADMINISTER, organization_id=None)
        rows = webhooks.deliveries(session, webhook_id, limit=limit + 1, before=before)
        return page(rows, limit=limit, show=DeliveryOut.of, key=lambda row: str(row.number))


@router.post("/{webhook_id}/deliveries/{delivery_id}/replay", responses=problems(404))
def replay(call: Administrator, webhook_id: uuid.UUID, delivery_id: uuid.UUID) -> DeliveryOut:
    """Tell an address of an event once more."""
    with call.transaction() as session:
        call.require(session, Action.WEBHOOK_ADMINISTER, organization_id=None)
        row = webhooks.replay(session, webhook_id, delivery_id, at=call.at, actor=call.identity)
        return DeliveryOut.of(row)


def _made(call: Call, row: Webhook) -> WebhookMade:
    secret = call.wiring.webhook_secrets.of(row).reveal_text()
    return WebhookMade(**WebhookOut.of(row).model_dump(), secret=secret)
