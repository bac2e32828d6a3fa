"""How notices travel: e-mail by SMTP (RFC 5321), and JSON posted to a webhook."""

from __future__ import annotations

import json
import smtplib
import ssl
from dataclasses import dataclass
from datetime import timedelta, timezone
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from ca.guarded_fetch import Fetcher, FetchRefused
from ca.notices import Undeliverable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ca.notices import Ending, Message
    from hsm.secret import Secret

VIETNAM: Final = timezone(timedelta(hours=7))
SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over, and as whom; `starttls` upgrades a plain connection."""

    host: str
    port: int
    sender: str
    starttls: bool = False
    tls: bool = False
    user: str | None = None
    password: Secret | None = None


class SmtpTransport:
    """Hands messages to a mail server, one connection each: notices are few."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    def send(self, message: Message) -> None:
        """Hand one message over."""
        server = self._server
        try:
            with self._connection() as connection:
                if server.starttls:
                    connection.starttls(context=ssl.create_default_context())
                if server.user is not None and server.password is not None:
                    connection.login(server.user, server.password.reveal_text())
                connection.send_message(self._mail(message))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Undeliverable(type(error).__name__) from error

    def _connection(self) -> smtplib.SMTP:
        """Connect; we greet by the sender's domain, so that no name has to be looked up for it."""
        server = self._server
        greeting = server.sender.rpartition("@")[2]
        if server.tls:
            return smtplib.SMTP_SSL(
                server.host,
                server.port,
                greeting,
                timeout=SECONDS,
                context=ssl.create_default_context(),
            )
        return smtplib.SMTP(server.host, server.port, greeting, timeout=SECONDS)

    def _mail(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self._server.sender, message.target
        mail["Subject"] = subject(message)
        mail["Message-ID"] = f"<{message.id}@antin>"  # the same when it is sent again
        mail["Date"] = formatdate()
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text(message))
        return mail


class WebhookTransport:
    """Posts messages as JSON; the address is checked like every other that is fetched.

    `headers` are what proves to the receiver who sends a message with that body.
    """

    def __init__(
        self, fetcher: Fetcher, headers: Callable[[Message, bytes], Mapping[str, str]]
    ) -> None:
        self._fetcher, self._headers = fetcher, headers

    def send(self, message: Message) -> None:
        """Post one message; any answer but a success is a failure, a redirect too."""
        body = json.dumps(
            {
                "type": "certificates.ending",
                "data": {"certificates": [_facts(one) for one in message.endings]},
            },
            ensure_ascii=False,
        ).encode()
        try:
            self._fetcher.post_with(message.target, body, self._headers(message, body))
        except FetchRefused as error:
            raise Undeliverable(str(error)) from error


def subject(message: Message) -> str:
    """Return the subject: one certificate by name, several by number."""
    first = message.endings[0]
    if len(message.endings) == 1:
        return f"Chứng thư số của {first.common_name} còn {first.days_left} ngày hiệu lực"
    return f"{len(message.endings)} chứng thư số sắp hết hạn (expiring certificates)"


def text(message: Message) -> str:
    """Return the body: Vietnamese, then one English line."""
    lines = ["Các chứng thư số sau đây sắp hết hạn:", ""]
    for one in message.endings:
        day = one.not_after.astimezone(VIETNAM)
        lines.append(f"- {one.common_name}, {one.organization}, số serial {one.serial_number}:")
        lines.append(f"  hết hạn {day:%H:%M:%S %d/%m/%Y} (+07:00), còn {one.days_left} ngày")
    lines += [
        "",
        "Đề nghị làm thủ tục gia hạn trước khi chứng thư số hết hạn.",
        "These certificates end soon; please ask for their renewal.",
    ]
    return "\n".join(lines)


def _facts(one: Ending) -> dict[str, object]:
    return {
        "id": str(one.certificate_id),
        "serial_number": one.serial_number,
        "common_name": one.common_name,
        "organization": one.organization,
        "not_after": one.not_after.isoformat(),
        "days_left": one.days_left,
    }
