"""Telling other systems what happened here: registration, signed delivery, retries, replay.

The event is put into the outbox by the transaction that makes it; a job of the queue delivers it.
Delivery is at least once, and the id in `webhook-id` stays the same, so that a receiver can tell a
repetition. Headers and signature are those of the Standard Webhooks specification 1.0:

    webhook-signature: v1,<base64 of HMAC-SHA256(secret, id "." timestamp "." body)>

The secret of a webhook is derived from one secret file of the installation, the webhook's id and a
salt, so that no table holds it; it is shown once, and again only as a new one (`rotate`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import ssl
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select, text

from api.errors import ParameterInvalid, WebhookNotFound, WebhooksFull
from api.models_webhooks import DeliveryState, Event, Webhook, WebhookDelivery
from api.own_secrets import own_secret
from db import audit, jobs
from db.base import uuid7
from hsm.secret import Secret

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.orm import Session, sessionmaker

JOB: Final = "api.deliver_webhook"
WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
)
"""Before each further attempt: a receiver may be away for a day."""
SECONDS: Final = 10.0
MAX_URL: Final = 2000
MAX_WEBHOOKS: Final = 100
"""Each multiplies what every event stores and sends."""
_SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Makes the secrets of webhooks from one of the installation."""

    file: Path

    def of(self, webhook: Webhook) -> Secret:
        """Return a webhook's secret as its receiver was told it."""
        return self._derived(f"webhook:{webhook.id}:{webhook.salt}")

    def of_notices(self, channel_id: uuid.UUID) -> Secret:
        """Return the secret of a channel of notices, as its receiver was told it."""
        return self._derived(f"notices:{channel_id}")

    def _derived(self, info: str) -> Secret:
        derived = hmac.digest(own_secret(self.file), info.encode(), "sha256")
        return Secret("whsec_" + base64.b64encode(derived).decode())


def register(
    session: Session, *, url: str, events: Sequence[Event], at: datetime, actor: str
) -> Webhook:
    """Add an address that is told of these events from now on; raises WebhooksFull."""
    _check(url)
    if not events:
        raise ParameterInvalid("events", "at least one event is expected")
    session.execute(text("LOCK TABLE webhooks IN SHARE ROW EXCLUSIVE MODE"))
    listening = select(func.count()).where(Webhook.disabled_at.is_(None))
    if (session.scalar(listening) or 0) >= MAX_WEBHOOKS:
        raise WebhooksFull(MAX_WEBHOOKS)
    webhook = Webhook(
        id=uuid7(),
        url=url,
        events=sorted({event.value for event in events}),
        salt=secrets.token_hex(8),
        created_at=at,
        created_by=actor,
        disabled_at=None,
    )
    session.add(webhook)
    session.flush()
    _note(session, webhook, "webhook.register", at=at, actor=actor)
    return webhook


def rotate(session: Session, webhook_id: uuid.UUID, *, at: datetime, actor: str) -> Webhook:
    """Give a webhook another secret; the old one signs nothing any more."""
    webhook = get(session, webhook_id)
    webhook.salt = secrets.token_hex(8)
    _note(session, webhook, "webhook.rotate", at=at, actor=actor)
    return webhook


def disable(session: Session, webhook_id: uuid.UUID, *, at: datetime, actor: str) -> Webhook:
    """Stop telling an address; what waits for it is not delivered any more."""
    webhook = get(session, webhook_id)
    if webhook.disabled_at is None:
        webhook.disabled_at = at
        _note(session, webhook, "webhook.disable", at=at, actor=actor)
    return webhook


def get(session: Session, webhook_id: uuid.UUID) -> Webhook:
    """Return a webhook; raises WebhookNotFound."""
    found = session.get(Webhook, webhook_id)
    if found is None:
        raise WebhookNotFound(f"no webhook has the id {webhook_id}")
    return found


def listing(session: Session, *, limit: int, after: uuid.UUID | None) -> Sequence[Webhook]:
    """List webhooks in the order of their making."""
    query = select(Webhook).order_by(Webhook.id).limit(limit)
    if after is not None:
        query = query.where(Webhook.id > after)
    return session.scalars(query).all()


def deliveries(
    session: Session, webhook_id: uuid.UUID, *, limit: int, before: int | None
) -> Sequence[WebhookDelivery]:
    """List a webhook's deliveries, newest first."""
    get(session, webhook_id)
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook_id)
    if before is not None:
        query = query.where(WebhookDelivery.number < before)
    return session.scalars(query.order_by(WebhookDelivery.number.desc()).limit(limit)).all()


def replay(
    session: Session, webhook_id: uuid.UUID, delivery_id: uuid.UUID, *, at: datetime, actor: str
) -> WebhookDelivery:
    """Deliver once more, with the same id, whatever became of it before."""
    webhook = get(session, webhook_id)
    delivery = session.get(WebhookDelivery, delivery_id)
    if delivery is None or delivery.webhook_id != webhook.id:
        raise WebhookNotFound(f"no delivery of this webhook has the id {delivery_id}")
    delivery.state, delivery.attempts, delivery.finished_at = DeliveryState.WAITING, 0, None
    _note(session, webhook, "webhook.replay", at=at, actor=actor, delivery=str(delivery_id))
    session.flush()
    jobs.enqueue(session, job=JOB, payload={"delivery": str(delivery_id)})
    return delivery


def deliver(
    sessions: sessionmaker[Session], made_of: Secrets, delivery_id: uuid.UUID, *, at: datetime
) -> DeliveryState | None:
    """Try to deliver; a failure is tried again later, by another job. None: nothing was due."""
    with sessions() as session:
        delivery = session.get(WebhookDelivery, delivery_id)
        if delivery is None or delivery.state is not DeliveryState.WAITING:
            return None
        webhook = get(session, delivery.webhook_id)
    if webhook.disabled_at is not None:
        answer, done = "the webhook is disabled", False
    else:
        answer, done = _post(webhook, delivery, made_of.of(webhook), at=at)
    with sessions.begin() as session:
        query = select(WebhookDelivery).where(WebhookDelivery.id == delivery_id).with_for_update()
        row = session.scalars(query).one()
        if row.state is not DeliveryState.WAITING:
            return row.state
        row.attempts += 1
        row.last_answer = answer
        if done:
            row.state, row.finished_at = DeliveryState.DELIVERED, at
        elif webhook.disabled_at is not None or row.attempts > len(WAITS):
            row.state, row.finished_at = DeliveryState.FAILED, at
        else:
            later = at + WAITS[row.attempts - 1]
            jobs.enqueue(session, job=JOB, payload={"delivery": str(delivery_id)}, at=later)
        return row.state


def purge(session: Session, *, older_than: datetime) -> int:
    """Forget deliveries that ended before a time; returns how many."""
    gone = delete(WebhookDelivery).where(WebhookDelivery.finished_at < older_than)
    return len(session.scalars(gone.returning(WebhookDelivery.id)).all())


def signed_headers(
    shared: Sequence[Secret], message_id: str, body: bytes, *, at: datetime
) -> dict[str, str]:
    """Return the headers that prove to whoever shares a secret who sent this, and when."""
    moment = str(int(at.timestamp()))
    signed = f"{message_id}.{moment}.".encode() + body
    signatures = [
        base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for secret in shared
        for key in [base64.b64decode(secret.reveal_text().removeprefix("whsec_"))]
    ]
    return {
        "content-type": "application/json",
        "user-agent": "antin-webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _post(
    webhook: Webhook, delivery: WebhookDelivery, secret: Secret, *, at: datetime
) -> tuple[str, bool]:
    """Send once, without following a redirect; returns what was met and whether it was taken."""
    body = json.dumps(delivery.payload, ensure_ascii=False).encode()
    headers = signed_headers([secret], str(delivery.id), body, at=at)
    parts = urlsplit(webhook.url)
    host, port = parts.hostname or "", parts.port
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = (
        http.client.HTTPSConnection(
            host, port, timeout=SECONDS, context=ssl.create_default_context()
        )
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=SECONDS)
    )
    try:
        with closing(connection):
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, False
    return f"HTTP {status}", status in _SUCCESS


def _check(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname)
        fine = fine and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    plain = url.isascii() and all("!" <= character <= "~" for character in url)
    if not fine or not plain or len(url) > MAX_URL or parts.username or parts.fragment:
        raise ParameterInvalid("url", "an address http(s)://host/… without a password is expected")


def _note(
    session: Session, webhook: Webhook, action: str, *, at: datetime, actor: str, **facts: str
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="webhook",
        object_id=str(webhook.id),
        after={"url": webhook.url, "events": list(webhook.events), **facts},
    )
