"""What one caller can have kept here is bounded, and the disk is never filled to its end."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import event, func, select
from starlette.requests import Request

from api import problems
from api.app import create_app
from api.wiring import Wiring, build
from signing.allowance import Waiting, waiting
from signing.bounds import Allowance
from signing.disk_space import DiskSpace
from signing.documents import place
from signing.errors import AllowanceSpent, FinishedSpent
from signing.finished import admit
from signing.forgetting import forget_beyond, forget_for_room
from signing.models import SignRequest
from signing.models_kept import KeptDocument
from signing.staged_uploads import StagedUploads, upload_of
from tests.api.conftest import served
from tests.api.office import ADMINISTRATOR, Json, Office, csr_pem, empty_pdf

PDF = {"Content-Type": "application/pdf"}
ALL = 1 << 60
"""More bytes than any disk has free."""


def allow(office: Office, *, documents: int = 100, size: int = 10_000_000) -> None:
    allowance = Allowance(documents=documents, size=size)
    office.wiring.desk = replace(office.wiring.desk, allowance=allowance)


@contextlib.contextmanager
def another_server(office: Office, **settings: int) -> Iterator[Office]:
    """Serve the same home and database with other settings."""
    changed = replace(office.wiring.settings, **settings)
    wiring = build(changed, office.wiring.url, isolation=office.wiring.isolation)
    with served(wiring) as base, httpx.Client(base_url=base, timeout=30, trust_env=False) as http:
        yield Office(wiring, http)
    wiring.close()


def upload(office: Office, content: bytes = b"%PDF-1.7 x", **headers: str) -> Json:
    answer = office.call("POST", "/uploads", content=content, headers=PDF | headers)
    return dict(answer.json()) | {"http": answer.status_code}


def files(wiring: Wiring) -> list[Path]:
    """List every document on the disk, also hidden and half-written ones."""
    folders = (wiring.settings.home / "documents", wiring.settings.spool)
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def kept(office: Office) -> int:
    with office.wiring.sessions() as session:
        return session.scalar(select(func.count()).select_from(KeptDocument)) or 0


def identity(office: Office) -> str:
    made = upload(office)
    with office.wiring.sessions() as session:
        actor = session.get_one(KeptDocument, UUID(made["id"])).actor
    office.call("DELETE", f"/uploads/{made['id']}")
    return actor


def test_uploads_are_bounded_in_number_and_the_refusal_says_what_to_do(office: Office) -> None:
    allow(office, documents=2)
    first = upload(office)
    assert [first["http"], upload(office)["http"]] == [201, 201]
    refused = upload(office, **{"Accept-Language": "vi"})
    assert (refused["http"], refused["code"]) == (409, "allowance_spent")
    assert "2 văn bản (20 byte)" in refused["detail"]
    assert "ANTIN_MAX_WAITING_DOCUMENTS" in refused["what_to_do"]
    assert "DELETE /uploads" in upload(office)["what_to_do"]
    assert (len(files(office.wiring)), kept(office)) == (2, 2)
    theirs = office.call("POST", "/uploads", content=b"x", headers=PDF, token=office.second())
    assert theirs.status_code == 201  # each caller has an allowance of its own
    office.call("DELETE", f"/uploads/{first['id']}")
    assert upload(office)["http"] == 201


def test_uploads_are_bounded_in_bytes_before_they_are_received(office: Office) -> None:
    allow(office, size=1000)
    assert upload(office, bytes(900))["http"] == 201
    assert upload(office, bytes(101))["code"] == "allowance_spent"
    assert upload(office, bytes(100))["http"] == 201

    def unsized() -> Iterator[bytes]:
        yield bytes(50)

    answer = office.call("POST", "/uploads", content=unsized(), headers=PDF)
    assert (answer.status_code, answer.json()["code"]) == (409, "allowance_spent")
    assert (len(files(office.wiring)), kept(office)) == (2, 2)
    received = asyncio.run(cut_off(office, sent=b"", declared=101))
    assert received == (409, 0)  # not one byte of the body was asked for


def test_two_servers_of_one_database_together_count_no_upload_past_the_bound(
    office: Office,
) -> None:
    actor, most, at = identity(office), 5, office.wiring.clock()
    other = build(office.wiring.settings, office.wiring.url, isolation=office.wiring.isolation)
    outcomes: list[bool] = []

    def send(wiring: Wiring, number: int) -> None:
        desk = replace(wiring.desk, allowance=Allowance(documents=most, size=1000))
        made = upload_of(f"{number}.pdf", sha256="", size=10, at=at, actor=actor)
        source = wiring.settings.home / f"source-{number}"
        source.write_bytes(b"0123456789")
        try:
            with source.open("rb") as file:
                StagedUploads(desk).add(file, made)
        except AllowanceSpent:
            outcomes.append(False)
        else:
            outcomes.append(True)

    threads = [
        threading.Thread(target=send, args=((office.wiring, other)[number % 2], number))
        for number in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert sorted(outcomes) == [False] * 11 + [True] * 5
    assert (len(files(office.wiring)), kept(office)) == (most, most)


async def cut_off(office: Office, *, sent: bytes, declared: int) -> tuple[int, int]:
    """Send the beginning of an upload and hang up; gives the status and how often we were read."""
    messages = [
        {"type": "http.request", "body": sent, "more_body": True},
        {"type": "http.disconnect"},
    ]
    read: list[int] = []
    answered: list[int] = []

    async def receive() -> dict[str, object]:
        read.append(1)
        return messages.pop(0)

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            answered.append(int(str(message["status"])))

    headers = {
        "authorization": f"Bearer {ADMINISTRATOR}",
        "content-type": "application/pdf",
        "content-length": str(declared),
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/uploads",
        "raw_path": b"/api/v1/uploads",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await create_app(office.wiring)(scope, receive, send)
    return answered[0], len(read)


def test_an_upload_that_is_cut_off_leaves_nothing_behind(office: Office) -> None:
    office.wiring.settings = replace(office.wiring.settings, max_upload_bytes=8_000_000)
    allow(office)
    status, read = asyncio.run(cut_off(office, sent=bytes(3_000_000), declared=4_000_000))
    assert (status, read) == (422, 2)
    assert (files(office.wiring), kept(office)) == ([], 0)


class Breaking:
    """A document whose disk gives up in its middle."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, _size: int) -> bytes:
        self.reads += 1
        if self.reads > 3:
            raise OSError("input/output error")
        return bytes(1_000_000)


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_document_that_is_not_whole_never_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unnamed: bool
) -> None:
    if not unnamed:
        monkeypatch.setattr("os.O_TMPFILE", 0, raising=False)
    with pytest.raises(OSError, match="input/output"):
        place(Breaking(), tmp_path / "a.pdf")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    whole = tmp_path / "whole"
    whole.write_bytes(b"%PDF")
    with whole.open("rb") as source:
        place(source, tmp_path / "a.pdf")
    assert {path.name for path in tmp_path.iterdir()} == {"a.pdf", "whole"}
    assert (tmp_path / "a.pdf").read_bytes() == b"%PDF"


def test_documents_that_wait_for_their_holder_are_bounded(office: Office) -> None:
    holder = office.certificate(csr=csr_pem(ec.generate_private_key(ec.SECP256R1())))
    allow(office, documents=2)
    begun = [office.sign(empty_pdf(), certificate_id=holder["id"]) for _ in range(3)]
    assert [answer.status_code for answer in begun] == [202, 202, 409]
    assert begun[2].json()["code"] == "allowance_spent"
    assert len(files(office.wiring)) == 2
    office.call("DELETE", f"/sign/{begun[0].json()['id']}")
    assert office.sign(empty_pdf(), certificate_id=holder["id"]).status_code == 202
    server = office.certificate()  # whose key answers: nothing waits
    assert office.sign(empty_pdf(), certificate_id=server["id"], level="B-B").status_code == 200


def test_a_batch_takes_uploads_over_without_counting_or_storing_them_twice(
    office: Office,
) -> None:
    certificate = office.certificate()
    allow(office, documents=12)
    ids = [upload(office, empty_pdf() + b"%%%d" % n)["id"] for n in range(12)]
    before = {path.stat().st_ino for path in files(office.wiring)}
    order = {"certificate_id": certificate["id"], "level": "B-B"}
    made = office.call("POST", "/sign/batches", json={"uploads": ids, **order})
    assert made.status_code == 202, made.text
    documents = [path for path in files(office.wiring) if path.suffix == ".pdf"]
    assert {path.stat().st_ino for path in documents} == before
    assert all("batches" in path.parts for path in documents)
    again = office.call("POST", "/sign/batches", json={"uploads": ids, **order})
    assert (again.status_code, again.json()["code"]) == (404, "upload_not_found")
    assert upload(office)["code"] == "allowance_spent"  # the batch waits in their place
    form = [("files", (f"{n}.pdf", empty_pdf())) for n in range(2)]
    data = {"options": json.dumps({"certificate_id": certificate["id"]})}
    direct = office.call("POST", "/sign/batches", files=form, data=data)
    assert (direct.status_code, direct.json()["code"]) == (409, "allowance_spent")
    assert len(list((office.wiring.settings.home / "documents/batches").iterdir())) == 1
    office.call("DELETE", f"/sign/batches/{made.json()['id']}")
    assert upload(office)["http"] == 201


def test_what_waits_is_counted_from_the_rows_that_say_so(office: Office) -> None:
    holder = office.certificate(csr=csr_pem(ec.generate_private_key(ec.SECP256R1())))
    actor, at = identity(office), office.wiring.clock()
    office.sign(empty_pdf(), certificate_id=holder["id"])
    upload(office, bytes(1000))
    (staged,) = (office.wiring.settings.home / "documents").glob("*.pdf")
    with office.wiring.sessions() as session:
        found = waiting(session, actor=actor, at=at)
    assert found == Waiting(2, 1000 + staged.stat().st_size)


def test_below_the_floor_nothing_is_kept_and_what_needs_no_room_goes_on(office: Office) -> None:
    certificate = office.certificate()
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B").content
    stored = sorted(files(office.wiring))
    office.wiring.settings = replace(office.wiring.settings, min_free_bytes=ALL)
    office.wiring.documents.space = DiskSpace(office.wiring.documents.folder, ALL)
    refused = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B")
    assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
    assert upload(office)["http"] == 507
    told = upload(office, **{"Accept-Language": "vi"})
    assert told["title"] == "Hết chỗ lưu trữ"
    form = [("files", (f"{n}.pdf", empty_pdf())) for n in range(2)]
    data = {"options": json.dumps({"certificate_id": certificate["id"]})}
    batch = office.call("POST", "/sign/batches", files=form, data=data)
    assert (batch.status_code, batch.json()["code"]) == (507, "storage_full")
    params = {"store": "true"}
    keep = office.call("POST", "/verify", content=signed, params=params, headers=PDF)
    assert keep.json()["code"] == "storage_full"
    assert sorted(files(office.wiring)) == stored
    assert office.verify(signed)["indication"] == "TOTAL_PASSED"


def test_a_disk_that_is_full_all_the_same_is_the_same_refusal() -> None:
    scope = {"type": "http", "headers": [], "method": "POST", "path": "/"}
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OSError, match="No space left") as caught,
    ):
        full.write(b"x")
    answer = problems.answer(Request(scope), caught.value)
    assert answer.status_code == 507
    assert b"storage_full" in answer.body


def test_finished_documents_are_forgotten_before_their_time_the_oldest_first(
    office: Office,
) -> None:
    certificate = office.certificate()
    desk, at = office.wiring.desk, office.wiring.clock()
    done = [
        office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B") for _ in range(3)
    ]
    extended = office.call(
        "POST",
        "/extend",
        content=done[0].content,
        params={"level": "B-T"},
        headers={**PDF, "Idempotency-Key": "one"},
    )
    assert extended.status_code == 200, extended.text
    newest = len(extended.content)
    later = at + timedelta(hours=2)
    assert forget_beyond(desk, most=newest, at=at + timedelta(minutes=30)) == 0
    assert forget_beyond(desk, most=ALL, at=later) == 0
    assert forget_beyond(desk, most=newest + len(done[2].content), at=later) == 2
    gone = [
        office.call("GET", f"/sign/{one.headers['x-sign-request-id']}/document").status_code
        for one in done
    ]
    assert gone == [410, 410, 200]
    assert forget_for_room(desk, at=later) == 0  # there is room
    desk.documents.space = DiskSpace(desk.documents.folder, ALL)
    assert forget_for_room(desk, at=at + timedelta(minutes=30)) == 0
    assert forget_for_room(desk, at=later) == 2


def test_a_caller_finishes_no_more_in_an_hour_than_is_kept_of_it(office: Office) -> None:
    certificate = office.certificate()
    wish = {"certificate_id": certificate["id"], "level": "B-B"}
    first = office.sign(empty_pdf(), key="a", **wish)
    assert first.status_code == 200
    most = int(2.5 * len(first.content))
    with another_server(office, max_finished_bytes=most) as strict:
        answers = [strict.sign(empty_pdf(), key=f"b{n}", **wish) for n in range(3)]
        answers += [strict.sign(empty_pdf(), **wish)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[2].json()["code"] == "finished_spent"
        assert "ANTIN_MAX_FINISHED_BYTES" in answers[2].json()["what_to_do"]
        keyed = {**PDF, "Idempotency-Key": "c"}
        extended = strict.call("POST", "/extend", content=first.content, headers=keyed)
        assert (extended.status_code, extended.json()["code"]) == (429, "finished_spent")
        assert strict.sign(empty_pdf(), key="a", **wish).content == first.content
        desk, at = strict.wiring.desk, strict.wiring.clock()
        with strict.wiring.sessions() as session:
            actor = session.scalars(select(SignRequest.actor)).first() or ""
        with pytest.raises(FinishedSpent):
            admit(desk, len(first.content), actor=actor, at=at)
        admit(desk, len(first.content), actor=actor, at=at + timedelta(hours=2))
        admit(desk, len(first.content), actor="another", at=at)


def test_who_has_spent_it_all_still_gets_what_was_made_for_his_key(office: Office) -> None:
    certificate = office.certificate()
    document = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B").content

    def extended(server: Office, key: str) -> httpx.Response:
        headers = {**PDF, "Idempotency-Key": key}
        return server.call("POST", "/extend", content=document, headers=headers)

    first = extended(office, "one")
    assert first.status_code == 200, first.text
    with another_server(office, max_finished_bytes=len(first.content)) as strict:
        assert extended(strict, "two").status_code == 429
        assert extended(strict, "one").content == first.content


def test_who_is_refused_again_and_again_does_not_have_everything_counted_each_time(
    office: Office,
) -> None:
    certificate = office.certificate()
    wish = {"certificate_id": certificate["id"], "level": "B-B"}
    size = len(office.sign(empty_pdf(), **wish).content)
    asked: list[str] = []
    with another_server(office, max_finished_bytes=int(1.5 * size)) as strict:
        desk, at = strict.wiring.desk, strict.wiring.clock()
        with strict.wiring.sessions() as session:
            actor = session.scalars(select(SignRequest.actor)).one()
        with pytest.raises(FinishedSpent):
            admit(desk, size, actor=actor, at=at)
        event.listen(strict.wiring.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))
        for _ in range(3):
            with pytest.raises(FinishedSpent):
                admit(desk, size, actor=actor, at=at + timedelta(seconds=1))
        assert asked == []
        admit(desk, size // 3, actor=actor, at=at)  # which fits beside it
        with pytest.raises(FinishedSpent):
            admit(desk, size, actor=actor, at=at + timedelta(minutes=1))
        assert len([one for one in asked if "sum(" in one]) == 2
