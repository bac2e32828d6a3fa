"""Kept OCSP answers: true in every process, whatever was committed a moment ago."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from cryptography.x509 import ocsp as x509_ocsp
from sqlalchemy import select

from ca import authorities, ocsp, ocsp_messages, renewal, revoke
from ca.models import Certificate
from ca.models_publication import StatusEvent
from ca.ocsp_cache import CHANGES, AnswerCache
from ca.revocation_reasons import RevocationReason
from db.statement import Statement
from tests.ca.house import AT, CHIEF, House
from tests.ca.test_ocsp import issuing_certificate, load, request_for

LATER = AT + timedelta(hours=1)
ROOT = Path(__file__).parents[2]


def cache_for(url: str, changed: list[str] | None = None) -> AnswerCache:
    def note() -> None:
        if changed is not None:
            changed.append("authority")

    return AnswerCache(Statement(url, CHANGES), authority_changed=note)


def looked(house: House, request: bytes) -> ocsp.Looked:
    with house.sessions() as session:
        return ocsp.service_of(house.keys).look(session, request, at=LATER)


def end(house: House, certificate: Certificate) -> None:
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=LATER,
            actor=CHIEF,
        )


def test_a_kept_answer_is_gone_with_the_commit_and_others_stay(
    house: House, database_url: str
) -> None:
    ended, other = house.certificate(), house.certificate()
    issuer = issuing_certificate(house)
    requests = [request_for(load(one.der), issuer) for one in (ended, other)]

    async def story() -> None:
        cache = cache_for(database_url)
        assert await cache.current()
        for request in requests:
            cache.keep(request, looked(house, request), mark=cache.mark, at=LATER)
        assert await cache.current()
        assert cache.answer(requests[0], at=LATER) is not None
        assert cache.status(ended.serial_number, at=LATER) == ocsp_messages.GOOD
        end(house, ended)
        assert await cache.current()
        assert cache.answer(requests[0], at=LATER) is None
        assert cache.status(ended.serial_number, at=LATER) is None
        assert cache.answer(requests[1], at=LATER) is not None
        assert cache.answer(requests[1], at=LATER + timedelta(minutes=11)) is None
        cache.close()

    asyncio.run(story())


def test_what_was_looked_up_before_a_change_is_not_kept_after_it(
    house: House, database_url: str
) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))

    async def story() -> None:
        cache = cache_for(database_url)
        assert await cache.current()
        mark, before = cache.mark, looked(house, request)
        end(house, certificate)
        assert await cache.current()
        cache.keep(request, before, mark=mark, at=LATER)
        assert cache.answer(request, at=LATER) is None
        # And kept before the change was heard of, it is dropped when it is.
        cache.keep(request, before, mark=cache.mark, at=LATER)
        cache.close()

    asyncio.run(story())


def test_a_change_of_a_transaction_that_began_earlier_is_heard_of(
    house: House, database_url: str
) -> None:
    slow, quick = house.certificate(), house.certificate()
    requests = [request_for(load(one.der), issuing_certificate(house)) for one in (slow, quick)]

    async def story() -> None:
        cache = cache_for(database_url)
        assert await cache.current()
        for request in requests:
            cache.keep(request, looked(house, request), mark=cache.mark, at=LATER)
        with house.sessions.begin() as session:
            revoke.revoke_unannounced(
                session,
                certificate_id=slow.id,
                reason=RevocationReason.SUPERSEDED,
                keys=house.keys,
                at=LATER,
                actor=CHIEF,
            )
            end(house, quick)  # begun later, committed earlier
            assert await cache.current()
            assert cache.answer(requests[1], at=LATER) is None
            assert cache.answer(requests[0], at=LATER) is not None
        assert await cache.current()
        assert cache.answer(requests[0], at=LATER) is None
        cache.close()

    asyncio.run(story())


def test_a_lost_connection_forgets_everything_and_is_made_anew(
    house: House, database_url: str
) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"

    async def story() -> None:
        cache = cache_for(database_url)
        assert await cache.current()
        cache.keep(request, looked(house, request), mark=cache.mark, at=LATER)
        with house.sessions() as session:
            session.connection().exec_driver_sql(
                f"{stop} WHERE application_name = 'antin feed' AND datname = current_database()"
            )
        heard = [await cache.current() for _ in range(3)]
        assert False in heard
        assert heard[-1]
        assert cache.answer(request, at=LATER) is None
        cache.close()

    asyncio.run(story())


def test_callers_who_come_together_share_one_question(database_url: str) -> None:
    class Counted:
        def __init__(self) -> None:
            self.statement = Statement(database_url, CHANGES)
            self.runs = 0

        async def run(self, *values: bytes | None) -> list[tuple[bytes | None, ...]]:
            self.runs += 1
            return await self.statement.run(*values)

        def close(self) -> None:
            self.statement.close()

    async def story() -> None:
        counted = Counted()
        cache = AnswerCache(counted, authority_changed=lambda: None)
        answers = await asyncio.gather(*(cache.current() for _ in range(100)))
        assert all(answers)
        assert counted.runs <= 2
        cache.close()

    asyncio.run(story())


def test_a_changed_authority_is_told_and_every_answer_dropped(
    house: House, database_url: str
) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))

    async def story() -> None:
        told: list[str] = []
        cache = cache_for(database_url, told)
        assert await cache.current()
        cache.keep(request, looked(house, request), mark=cache.mark, at=LATER)
        with house.sessions.begin() as session:
            renewal.revoke_authority(
                session,
                authority=authorities.by_slug(session, "issuing"),
                reason=RevocationReason.CA_COMPROMISE,
                at=LATER,
                actor=CHIEF,
            )
        assert await cache.current()
        assert told == ["authority"]
        assert cache.answer(request, at=LATER) is None
        cache.close()

    asyncio.run(story())


def test_every_change_of_a_status_leaves_an_event_and_issuing_none(house: House) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session:
        assert session.scalars(select(StatusEvent)).all() == []
        for change in (revoke.suspend, revoke.restore):
            change(session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF)
    end(house, certificate)
    with house.sessions() as session:
        events = session.scalars(select(StatusEvent)).all()
    assert [event.serial_number for event in events] == [certificate.serial_number] * 3


READER = """
import asyncio, json, random, sys, time
from pathlib import Path
from cryptography.x509 import ocsp
from api.ocsp_door import OcspDoor
from api.settings import Settings
from api.wiring import build

settings = Settings(home=Path(sys.argv[2]), public_url="http://127.0.0.1:8000")
wiring = build(settings, sys.argv[1])
requests = {serial: bytes.fromhex(text) for serial, text in json.loads(sys.argv[3]).items()}

async def ask(door, seen, until):
    while time.monotonic() < until:
        serial = random.choice(list(requests))
        began = time.monotonic_ns()
        answer = await door._answer(requests[serial])
        status = ocsp.load_der_ocsp_response(answer).certificate_status.name
        seen.append((serial, began, status))
        await asyncio.sleep(0)

async def main():
    door, seen = OcspDoor(None, wiring), []
    print("ready", flush=True)
    until = time.monotonic() + float(sys.argv[4])
    await asyncio.gather(*(ask(door, seen, until) for _ in range(8)))
    print(json.dumps(seen))

asyncio.run(main())
wiring.close()
"""
SECONDS = 4


@contextmanager
def reading(
    script: Path, url: str, house: House, requests: dict[str, bytes]
) -> Iterator[list[subprocess.Popen[str]]]:
    asked = json.dumps({serial: request.hex() for serial, request in requests.items()})
    command = [sys.executable, str(script), url, str(house.directory / "home"), asked, str(SECONDS)]
    readers = [
        subprocess.Popen(
            command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        yield readers
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()
            if reader.stdout is not None:
                reader.stdout.close()


def test_two_processes_never_say_good_after_a_committed_revocation(
    house: House, database_url: str, tmp_path: Path
) -> None:
    unit = house.organization()
    there = [house.issue(house.approved(house.person(organization=unit))) for _ in range(30)]
    issuer = issuing_certificate(house)
    requests = {one.serial_number: request_for(load(one.der), issuer) for one in there}
    script = tmp_path / "reader.py"
    script.write_text(READER)
    committed: dict[str, int] = {}
    with reading(script, database_url, house, requests) as readers:
        time.sleep(0.5)
        for certificate in there[:20]:
            end(house, certificate)
            committed[certificate.serial_number] = time.monotonic_ns()
        seen = [
            entry
            for reader in readers
            for entry in json.loads(reader.communicate(timeout=60)[0].strip().splitlines()[-1])
        ]
    assert len(seen) > 500
    late = [
        (serial, status)
        for serial, began, status in seen
        if serial in committed and began > committed[serial]
    ]
    assert late
    assert {status for _, status in late} == {"REVOKED"}
    others = {status for serial, _, status in seen if serial not in committed}
    assert others == {"GOOD"}
    assert x509_ocsp.OCSPCertStatus.GOOD.name in {status for _, _, status in seen}
