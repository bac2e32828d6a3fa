"""Killed at any moment: nothing is signed without its intent or twice, and the start says so."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.database import TestDatabases
from tests.journeys.running import ROOT, SAMPLE, Json, Running, people, prepared, running

KILLS = 50
WEB_KILLS = 3
SEED = 20260302
SIGNED = re.compile(rb"/Contents\s*<0*[1-9A-Fa-f]")


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def assert_nothing_without_its_intent(url: str) -> None:
    """Hold the audit log, which is only ever added to, against the tables."""
    intended = {row[0] for row in rows(url, ENTRIES.format("certificate.intend"))}
    issued = {str(row[0]) for row in rows(url, "SELECT id FROM certificates WHERE der IS NOT NULL")}
    assert issued <= intended
    prepared_ones = {row[0] for row in rows(url, ENTRIES.format("sign.prepared"))}
    signed = {str(row[0]) for row in rows(url, "SELECT sign_request_id FROM signatures")}
    assert signed <= prepared_ones
    half = "SELECT count(*) FROM sign_requests r LEFT JOIN signatures s ON s.sign_request_id = r.id"
    half += " WHERE (r.status = 'signed') <> (s.sign_request_id IS NOT NULL)"
    assert rows(url, half) == [(0,)]
    unsaid = "SELECT count(*) FROM certificates WHERE (status = 'issuing') <> (der IS NULL)"
    assert rows(url, unsaid) == [(0,)]


ENTRIES = "SELECT object_id FROM audit_log WHERE action = '{}'"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    made.mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.token
def test_killed_fifty_times_between_intent_and_signature(
    postgres: TestDatabases, home: Path
) -> None:
    url = postgres.new_database()
    done = subprocess.run(
        [sys.executable, "-m", "tests.journeys.victims", home, url, str(KILLS), str(SEED)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["killed"] == KILLS, done.stderr
    assert_nothing_without_its_intent(url)
    known = {str(row[0]) for row in rows(url, "SELECT id FROM sign_requests")}
    for path in (home / "documents").iterdir():
        signed = SIGNED.search(path.read_bytes())
        assert path.stem in known or not signed, "signed without an intent"

    (certificates,) = rows(url, "SELECT count(*) FROM certificates WHERE status = 'issuing'")[0]
    (signatures,) = rows(url, "SELECT count(*) FROM sign_requests WHERE status = 'prepared'")[0]
    assert isinstance(certificates, int)
    assert certificates + int(str(signatures)) > 0, "no kill hit the moment that this is about"
    server = prepared(home, ANTIN_DATABASE_URL=url)
    server.start()
    try:
        said = server.log.read_text()
        assert f"left open by a crash: {certificates} certificates" in said
        assert f"{signatures} sign requests" in said
        listed = json.loads(server.antin("certificates", "open", "--json").stdout)
        assert len(listed) == certificates
        assert json.loads(server.antin("audit", "verify", "--json").stdout)["intact"]
        if listed:
            given_up = server.antin(
                "certificates", "abandon", listed[0]["id"], "--note", "mất điện"
            )
            assert given_up.returncode == 0, given_up.stderr
    finally:
        assert server.stop() == 0


@pytest.mark.token
def test_a_caller_that_repeats_its_request_gets_one_signature_through_all_kills() -> None:
    with running(ANTIN_LOG_LEVEL="warning") as server, people(server) as office:
        certificate = office.certificate(kind="p-256")
        stop = threading.Event()
        answers: dict[str, set[bytes]] = {}
        callers = [
            threading.Thread(target=sign_on, args=(server, certificate, name, stop, answers))
            for name in ("a", "b")
        ]
        for caller in callers:
            caller.start()
        moments = random.Random(SEED)  # noqa: S311 -- moments of kills, not secrets
        for _ in range(WEB_KILLS):
            time.sleep(moments.uniform(0.2, 0.6))
            for pid in server.children("web"):
                os.kill(pid, signal.SIGKILL)
            wait_until_ready(server)
        deadline = time.monotonic() + 60
        while len(answers) < WEB_KILLS and time.monotonic() < deadline:
            time.sleep(0.05)  # a slow machine has signed little between the kills
        stop.set()
        for caller in callers:
            caller.join()
        assert answers  # a slow machine finishes few requests between the kills
        assert all(len(given) == 1 for given in answers.values()), "two answers for one key"
        count = office.first.get("/api/v1/audit", params={"action": "sign.signed", "limit": 200})
        entries = count.json()["items"]
        assert len(entries) == len(answers)

        server.kill()
        server.start()
        assert office.first.get("/readyz").status_code == 200


def sign_on(
    server: Running,
    certificate: Json,
    name: str,
    stop: threading.Event,
    answers: dict[str, set[bytes]],
) -> None:
    """Sign one document after the other, each until there is an answer, and then once more."""
    number = 0
    while not stop.is_set():
        number += 1
        key = f"{name}-{number}"
        answers[key] = {until_answered(server, certificate, key) for _ in "12"}


def until_answered(server: Running, certificate: Json, key: str) -> bytes:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError), server.caller() as client:
            answer = client.post(
                "/api/v1/sign",
                params={"certificate_id": certificate["id"], "level": "B-B"},
                content=SAMPLE.read_bytes(),
                headers={"Content-Type": "application/pdf", "Idempotency-Key": key},
            )
            if answer.status_code == 200:
                return answer.content
            assert answer.json()["code"] in {"idempotency_in_progress", "not_ready"}, answer.text
        time.sleep(0.05)
    raise AssertionError(f"no answer for {key}")


def wait_until_ready(server: Running) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.base}/readyz", trust_env=False, timeout=5).is_success:
                return
        time.sleep(0.05)
    raise AssertionError(server.log.read_text())
