"""Sending notices with the transports that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from api.webhooks import signed_headers
from ca import notices
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.models_notices import ChannelKind
from ca.notice_transports import SmtpServer, SmtpTransport, WebhookTransport
from ca.notices import Undeliverable
from hsm.secret import Secret

if TYPE_CHECKING:
    from api.settings import Settings
    from api.wiring import Wiring
    from ca.notices import Message, Transport

_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def send(wiring: Wiring) -> int:
    """Send what waits; without a mail server only webhooks, and e-mails wait."""
    found = transports(wiring)
    return notices.deliver(wiring.sessions, found, at=wiring.clock())


def transports(wiring: Wiring) -> dict[ChannelKind, Transport]:
    """Return how notices travel in this installation; webhooks are signed as all of ours are."""
    fetcher = Fetcher(FetchLimits(allowed=wiring.settings.status_networks))
    webhook = WebhookTransport(fetcher, lambda message, body: _signed(wiring, message, body))
    found: dict[ChannelKind, Transport] = {ChannelKind.WEBHOOK: webhook}
    server = smtp_server(wiring.settings)
    if server is not None:
        found[ChannelKind.EMAIL] = SmtpTransport(server)
    return found


def _signed(wiring: Wiring, message: Message, body: bytes) -> dict[str, str]:
    """Sign with the secret of each channel to this address: its adders were told one each."""
    with wiring.sessions() as session:
        leading_there = notices.channels_to(session, ChannelKind.WEBHOOK, message.target)
    shared = [wiring.webhook_secrets.of_notices(channel.id) for channel in leading_there]
    if not shared:
        raise Undeliverable("no channel leads to this address any more")
    return signed_headers(shared, message.id, body, at=wiring.clock())


def smtp_server(settings: Settings) -> SmtpServer | None:
    """Return the mail server of ANTIN_SMTP_URL, None without one."""
    if settings.smtp_url is None:
        return None
    parts = urlsplit(settings.smtp_url.reveal_text())
    return SmtpServer(
        host=parts.hostname or "",
        port=parts.port or _PORTS[parts.scheme],
        sender=settings.mail_from,
        starttls=parts.scheme == "smtp+starttls",
        tls=parts.scheme == "smtps",
        user=unquote(parts.username) if parts.username else None,
        password=Secret(unquote(parts.password)) if parts.password else None,
    )
