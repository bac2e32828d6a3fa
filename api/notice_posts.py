"""Sending notices with the transports that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ca import notices
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.models_notices import ChannelKind
from ca.notice_transports import SmtpServer, SmtpTransport, WebhookTransport
from hsm.secret import Secret

if TYPE_CHECKING:
    from api.settings import Settings
    from api.wiring import Wiring
    from ca.notices import Transport

_PORTS: Final = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


def send(wiring: Wiring) -> int:
    """Send what waits; without a mail server only webhooks, and e-mails wait."""
    found = transports(wiring.settings)
    return notices.deliver(wiring.sessions, found, at=wiring.clock())


def transports(settings: Settings) -> dict[ChannelKind, Transport]:
    """Return how notices travel in this installation."""
    fetcher = Fetcher(FetchLimits(allowed=settings.status_networks))
    found: dict[ChannelKind, Transport] = {ChannelKind.WEBHOOK: WebhookTransport(fetcher)}
    server = smtp_server(settings)
    if server is not None:
        found[ChannelKind.EMAIL] = SmtpTransport(server)
    return found


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
