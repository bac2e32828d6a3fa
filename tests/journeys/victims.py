"""Processes that issue and sign until they are killed; `test_kill` runs this as a process.

`python -m tests.journeys.victims HOME URL ROUNDS SEED`: sets an installation up, then forks a new
victim each round and kills it (SIGKILL) at a random moment of its work. Nothing that must not be
forked is loaded in this process itself: keys and connections live in the children only.
"""

import json
import os
import random
import signal
import sys
import time
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
from tests.journeys.running import SAMPLE

CLERK, CHIEF = "token:clerk", "token:chief"
LONGEST_LIFE = 0.4
"""Seconds from the start of the work to the kill; a round of work takes a part of it."""


def main(home: str, url: str, rounds: int, seed: int) -> None:
    settings = from_environment({"ANTIN_HOME": home, "ANTIN_PUBLIC_URL": "http://127.0.0.1:1"})
    in_child(lambda: prepare(settings, url), kill_after=None)
    moments = random.Random(seed)  # noqa: S311 -- moments of kills, not secrets
    killed = sum(
        in_child(lambda: work(settings, url), kill_after=moments.uniform(0, LONGEST_LIFE))
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


def work(settings: Settings, url: str) -> None:
    """Issue certificates and sign with them, without end."""
    wiring = build(settings, url)
    wiring.tsa()
    os.write(3, b"!")
    while True:
        at = wiring.clock()
        certificate = issue.issue(
            wiring.sessions,
            request_id=approved(wiring),
            keys=wiring.keys,
            at=at,
            actor=CHIEF,
            make_key=wiring.make_key,
        )
        for level in (Level.B_B, Level.B_T):
            order = SignOrder(
                certificate_id=certificate.id,
                file_name="quyet-dinh.pdf",
                options=SignatureOptions(signing_time=at),
                level=level,
            )
            with SAMPLE.open("rb") as source:
                request = sign.start(wiring.desk, source, order, at=at, actor=CLERK)
            sign.sign_now(wiring.desk, request.id, at=wiring.clock(), actor=CLERK)


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
