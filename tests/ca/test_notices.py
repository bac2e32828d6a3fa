"""Who is told before a certificate ends: each threshold once, over real SMTP and HTTP."""

import email
import email.policy
import ipaddress
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from ca import imports, notices
from ca.errors_registry import NoticeInvalid
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.import_files import read
from ca.imports import ImportOptions, Source
from ca.models import Certificate
from ca.models_notices import ChannelKind, Notice, NoticeState
from ca.notice_transports import SmtpServer, SmtpTransport, WebhookTransport
from ca.registry import external_serial
from tests.ca.house import AT, CLERK, House

DAY = timedelta(days=1)


@dataclass
class Post:
    """A mail server and a web server on this machine, and what they were given."""

    port: int = 0
    mails: list[email.message.EmailMessage] = field(default_factory=list)
    broken: bool = False
    posted: list[dict[str, object]] = field(default_factory=list)
    web_port: int = 0

    @property
    def transports(self) -> dict[ChannelKind, notices.Transport]:
        allowed = (ipaddress.ip_network("127.0.0.0/8"),)
        return {
            ChannelKind.EMAIL: SmtpTransport(SmtpServer("127.0.0.1", self.port, "antin@tinh.vn")),
            ChannelKind.WEBHOOK: WebhookTransport(
                Fetcher(FetchLimits(allowed=allowed)),
                lambda message, _: {"Content-Type": "application/json", "webhook-id": message.id},
            ),
        }


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client that hands over needs."""

    post: Post

    def handle(self) -> None:
        self.say("220 sink")
        while line := self.rfile.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"QUIT":
                self.say("221 bye")
                return
            self.say(self.take() if word == b"DATA" else "250 ok")

    def take(self) -> str:
        self.say("354 go on")
        body = b""
        while (part := self.rfile.readline()) not in {b".\r\n", b""}:
            body += part
        if self.post.broken:
            return "451 later"
        mail = email.message_from_bytes(body, policy=email.policy.default)
        self.post.mails.append(mail)  # type: ignore[arg-type]
        return "250 ok"

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


class Web(socketserver.StreamRequestHandler):
    """Takes what is posted."""

    post: Post

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.post.posted.append(json.loads(self.rfile.read(length)))
        self.wfile.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def post() -> Iterator[Post]:
    made = Post()
    kinds = [type(one.__name__, (one,), {"post": made}) for one in (Smtp, Web)]
    servers = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), one) for one in kinds]
    made.port, made.web_port = (server.server_address[1] for server in servers)
    threads = [threading.Thread(target=one.serve_forever, args=(0.02,)) for one in servers]
    for thread in threads:
        thread.start()
    yield made
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


def ending(house: House, days: int, *, mail: str = "duc@tinh.vn") -> Certificate:
    """Import a certificate that ends so many days after AT."""
    end = (AT + days * DAY).isoformat()
    row = f"{days:04x},Nguyễn Thị Đức,Sở Nội vụ,2024-01-01,{end},{mail}"
    text = f"Serial,Name,Unit,Issued,Expires,Email\n{row}"
    _, rows = read(text.encode())
    with house.sessions.begin() as session:
        made = imports.submit(
            session,
            source=Source("x", "csv", ""),
            rows=rows,
            options=ImportOptions(issuer="X-CA"),
            at=AT - DAY,
            actor=CLERK,
        )
    imports.run(house.sessions, made.id, at=AT - DAY)
    with house.sessions() as session:
        return session.scalars(
            select(Certificate).where(Certificate.serial_number == external_serial(days))
        ).one()


def test_each_threshold_is_told_once_by_real_mail(house: House, post: Post) -> None:
    house.organization("Sở Nội vụ")
    ending(house, 100)
    told = []
    for passed in range(101):
        notices.plan(house.sessions, at=AT + passed * DAY)
        if notices.deliver(house.sessions, post.transports, at=AT + passed * DAY):
            told.append(100 - passed)
    assert told == [90, 60, 30, 15, 7, 1]
    assert len(post.mails) == 6
    first = post.mails[0]
    assert (first["To"], first["From"]) == ("duc@tinh.vn", "antin@tinh.vn")
    assert "Nguyễn Thị Đức" in str(first["Subject"])
    assert "còn 90 ngày" in first.get_content()
    assert len({one["Message-ID"] for one in post.mails}) == 6


def test_after_a_downtime_only_the_threshold_that_counts_now_is_told(house: House) -> None:
    house.organization("Sở Nội vụ")
    ending(house, 100)
    for passed in (5, 88, 88, 89):
        notices.plan(house.sessions, at=AT + passed * DAY)
    with house.sessions() as session:
        assert session.scalars(select(Notice.threshold)).all() == [15]


def test_clerk_and_manager_are_told_together_about_what_is_theirs(house: House, post: Post) -> None:
    province = house.organization("Tỉnh")
    unit = house.organization("Sở Nội vụ", parent_id=province.id)
    web = f"http://127.0.0.1:{post.web_port}/hook"
    with house.sessions.begin() as session:
        for where, kind, target in (
            (unit, ChannelKind.EMAIL, "vanthu@tinh.vn"),
            (province, ChannelKind.WEBHOOK, web),
            (house.organization("Khác"), ChannelKind.EMAIL, "khac@tinh.vn"),
        ):
            notices.add_channel(
                session, organization_id=where.id, kind=kind, target=target, at=AT, actor=CLERK
            )
    for days in (5, 12, 80):
        ending(house, days, mail="")
    assert notices.plan(house.sessions, at=AT) == 6
    assert notices.plan(house.sessions, at=AT) == 0
    assert notices.deliver(house.sessions, post.transports, at=AT) == 6
    (mail,) = post.mails
    assert mail["To"] == "vanthu@tinh.vn"
    assert "3 chứng thư số" in str(mail["Subject"])
    (told,) = post.posted
    endings = told["data"]["certificates"]  # type: ignore[index]
    assert [one["days_left"] for one in endings] == [5, 12, 80]


def test_a_mail_server_that_fails_is_tried_again_and_nobody_is_told_twice(
    house: House, post: Post
) -> None:
    house.organization("Sở Nội vụ")
    ending(house, 20)
    notices.plan(house.sessions, at=AT)
    post.broken = True
    assert notices.deliver(house.sessions, post.transports, at=AT) == 0
    assert notices.deliver(house.sessions, post.transports, at=AT) == 0
    with house.sessions() as session:
        (notice,) = session.scalars(select(Notice)).all()
        assert (notice.attempts, notice.state) == (1, NoticeState.WAITING)
    post.broken = False
    later = AT + timedelta(hours=1)
    assert notices.deliver(house.sessions, post.transports, at=later) == 1
    assert notices.deliver(house.sessions, post.transports, at=later + DAY) == 0
    assert len(post.mails) == 1
    with house.sessions.begin() as session:
        session.execute(update(Notice).values(state="waiting", attempts=notices.MAX_ATTEMPTS - 1))
    post.broken = True
    notices.deliver(house.sessions, post.transports, at=later)
    with house.sessions() as session:
        assert session.scalars(select(Notice.state)).all() == [NoticeState.GIVEN_UP]


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (ChannelKind.EMAIL, "a@b\r\nBcc: x@y"),
        (ChannelKind.EMAIL, "không phải"),
        (ChannelKind.WEBHOOK, "ftp://x"),
        (ChannelKind.WEBHOOK, "http://x y"),
    ],
)
def test_an_address_that_is_none_is_refused(house: House, kind: ChannelKind, target: str) -> None:
    unit = house.organization()
    with house.sessions() as session, pytest.raises(NoticeInvalid):
        notices.add_channel(
            session, organization_id=unit.id, kind=kind, target=target, at=AT, actor=CLERK
        )
