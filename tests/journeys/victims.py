"""Processes that issue and sign until they are killed; `test_kill` runs this as a process.

`python -m tests.journeys.victims HOME URL ROUNDS SEED`: sets an installation up, then forks a new
victim each round and kills it (SIGKILL) at a random moment of its work. Nothing that must not be
forked is loaded in this process itself: keys and connections live in the children only.
"""

import asyncio
import io
import json
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from api import first_run
from api.settings import Settings, from_environment
from api.wiring import Wiring, build
from ca import issue, organizations, requests, subscribers
from ca.models import RequestKind, SubscriberKind
from ca.organizations import OrganizationDetails
from ca.requests import RequestDetails
from ca.subscribers import SubscriberDetails
from hsm.algorithms import KeyAlgorithm
from pdf.options import Level, SignatureOptions
from signing import sign
from signing.sign import SignOrder
from signing.together import Asked
from tests.journeys.running import SAMPLE

CLERK, CHIEF = "token:clerk", "token:chief"
REHEARSED = "seconds-of-a-round"
SHORTEST, LONGEST = 0.4, 2.5
"""Bounds of the seconds from the start of the work to the latest kill."""
ROUNDS_LIVED = 1.2
"""How much of it that is, in rounds of work as long as the first one takes on this machine."""


def main(home: str, url: str, rounds: int, seed: int) -> None:
    settings = from_environment({"ANTIN_HOME": home, "ANTIN_PUBLIC_URL": "http://127.0.0.1:1"})
    in_child(lambda: prepare(settings, url), kill_after=None)
    in_child(lambda: rehearse(settings, url), kill_after=None)
    lasted = float((settings.home / REHEARSED).read_text())
    latest = min(max(ROUNDS_LIVED * lasted, SHORTEST), LONGEST)
    moments = random.Random(seed)  # noqa: S311 -- moments of kills, not secrets
    killed = sum(
        in_child(lambda: work(settings, url), kill_after=moments.uniform(0, latest))
        for _ in range(rounds)
    )
    sys.stdout.write(json.dumps({"killed": killed}))


def in_child(task: Callable[[], None], *, kill_after: float | None) -> bool:
    """Run a task in a fork; kill it that long after it says that its work begins."""
    begun, says = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(says, 3)
        try:
            task()
        except BaseException as error:  # noqa: BLE001 -- a fork never returns to its parent's code
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    os.close(says)
    if kill_after is not None:
        os.read(begun, 1)
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    os.close(begun)
    _, status = os.waitpid(child, 0)
    if kill_after is None:
        assert status == 0
    return os.WIFSIGNALED(status)


def prepare(settings: Settings, url: str) -> None:
    first_run.make_home(settings)
    first_run.set_up(settings, url)


def rehearse(settings: Settings, url: str) -> None:
    """Find out how long a round takes a process that has just begun."""
    wiring = build(settings, url)
    wiring.tsa()
    began = time.monotonic()
    one_round(wiring)
    (settings.home / REHEARSED).write_text(str(time.monotonic() - began))


def work(settings: Settings, url: str) -> None:
    """Issue certificates and sign with them, without end."""
    wiring = build(settings, url)
    wiring.tsa()
    os.write(3, b"!")
    while True:
        one_round(wiring)


def one_round(wiring: Wiring) -> None:
    """Issue a certificate, and sign with it in the way of one document and in that of several."""
    certificate = issue.issue(
        wiring.sessions,
        request_id=approved(wiring),
        keys=wiring.keys,
        at=wiring.clock(),
        actor=CHIEF,
        make_key=wiring.make_key,
    )
    for level in (Level.B_B, Level.B_T):
        wanted, at = order(wiring, certificate.id, level), wiring.clock()
        with SAMPLE.open("rb") as source:
            request = sign.start(wiring.desk, source, wanted, at=at, actor=CLERK)
        sign.sign_now(wiring.desk, request.id, at=wiring.clock(), actor=CLERK)
    asyncio.run(signed_together(wiring, certificate.id))


async def signed_together(wiring: Wiring, certificate_id: uuid.UUID) -> None:
    """Sign some documents the way that callers over HTTP share."""
    content = SAMPLE.read_bytes()
    wanted = (order(wiring, certificate_id, level) for level in (Level.B_B, Level.B_T, Level.B_B))
    some = [Asked(io.BytesIO(content), len(content), o, wiring.clock(), CLERK) for o in wanted]
    documents = await asyncio.gather(*map(wiring.together.signed, some))
    assert all(documents)


def order(wiring: Wiring, certificate_id: uuid.UUID, level: Level) -> SignOrder:
    """Want the sample signed."""
    return SignOrder(
        certificate_id=certificate_id,
        file_name="quyet-dinh.pdf",
        options=SignatureOptions(signing_time=wiring.clock()),
        level=level,
    )


def approved(wiring: Wiring) -> object:
    """Have a request for a new person approved."""
    at = wiring.clock()
    with wiring.sessions.begin() as session:
        unit = organizations.create(
            session,
            details=OrganizationDetails(code=f"X{time.time_ns()}", name="Sở Nội vụ", level="unit"),
            at=at,
            actor=CLERK,
        )
        person = subscribers.create(
            session,
            details=SubscriberDetails(
                kind=SubscriberKind.PERSON, organization_id=unit.id, full_name="Lê Văn Bền"
            ),
            at=at,
            actor=CLERK,
        )
        details = RequestDetails(
            kind=RequestKind.NEW,
            subscriber_id=person.id,
            profile="personal",
            key_algorithm=KeyAlgorithm.P_256,
        )
        request = requests.submit(session, details=details, at=at, actor=CLERK)
        requests.approve(session, request.id, at=at, actor=CHIEF)
    return request.id


if __name__ == "__main__":
    main(str(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
