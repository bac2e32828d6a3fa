"""What issuing many certificates costs: group commit, beside the raw signatures of the same token.

Requests are put in before; measured is approving and issuing, with the linter, durable commits,
audit entries and OCSP answers, by two processes, as `antin certificates issue-batch` does it with a
long list on two cores; and by one process with two threads. All authorities lie on the token
(SoftHSM). The raw rate is one session that does nothing else; its rounds alternate with ours. A
certificate takes two signatures, its own and that of its OCSP answer, by a responder of P-256; the
raw rate counts one for each. RSA is put beside two raw sessions too, one for each core.
"""

import base64
import io
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ca import issue_batch, request_tables
from ca.issue_intents import Asked, Context
from ca.request_tables import TableRow
from db import schema
from db.embedded import EmbeddedPostgres
from db.session import create_engine, session_factory
from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI
from hsm.tokens import generate_key
from tests.bench.bench_hsm import Subject, rate
from tests.bench.row import Row
from tests.ca.house import AT, CHIEF, CLERK, House, csr_for, ec_key
from tests.tokens import new_token, store_for

ROUNDS = 3
COUNT = 1024
"""Certificates a round."""
PROCESSES = 2
GOAL_PER_SECOND = 2000
COLUMNS = ("organization_code", "full_name", "national_id", "post", "csr")
ROOT = Path(__file__).parents[2]
_NUMBERS = itertools.count(1)


def rows() -> Iterable[Row]:
    """Measure batches under a P-256 and an RSA-2048 authority."""
    for algorithm, goal in ((KeyAlgorithm.P_256, None), (KeyAlgorithm.RSA_2048, 0.7)):
        with _house(algorithm) as (house, raw), _processes(house) as issue:
            found = [
                (
                    _per_second(house, issue),
                    _per_second(house, partial(_here, house)),
                    raw(1),
                    raw(PROCESSES),
                )
                for _ in range(ROUNDS)
            ]
        ours, alone, limit, both = (statistics.median(side) for side in zip(*found, strict=True))
        name = f"ca.issue.batch.{algorithm.value}-token"
        reference = f"raw {algorithm.value} signatures, one session of the token"
        for called, value, least in ((name, ours, goal), (f"{name}.one-process", alone, None)):
            yield _row(called, value, (reference, limit), least)
        if algorithm is KeyAlgorithm.P_256:
            yield _row(f"{name}.rate", ours, ("the goal", GOAL_PER_SECOND), 1.0)
        else:
            reference = f"raw {algorithm.value} signatures, {PROCESSES} sessions of the token"
            yield _row(f"{name}.all-cores", ours, (reference, both), None)


def _row(name: str, value: float, beside: tuple[str, float], goal: float | None) -> Row:
    return Row(
        name=name,
        value=value,
        unit="per_s",
        reference_name=beside[0],
        reference_value=beside[1],
        goal=goal,
    )


def _per_second(house: House, issue: Callable[[list[uuid.UUID]], None]) -> float:
    ids = put_in(house)
    began = time.perf_counter()
    issue(ids)
    return len(ids) / (time.perf_counter() - began)


def _here(house: House, ids: list[uuid.UUID]) -> None:
    asked = [Asked(request_id=one, actor=CHIEF, approve=True) for one in ids]
    context = Context(house.keys, AT)
    outcomes = issue_batch.issue_batch(
        house.sessions, asked, context=context, parallel=issue_batch.AT_ONCE
    )
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error


def put_in(house: House, count: int = COUNT) -> list[uuid.UUID]:
    """Put in a request for each of so many new persons."""
    unit = house.organization().code
    rows = [
        TableRow(number, dict(zip(COLUMNS, (unit, *cells), strict=True)))
        for number, cells in enumerate(holders(count), start=1)
    ]
    with house.sessions.begin() as session:
        outcomes = request_tables.submit(session, rows, at=AT, actor=CLERK)
    return [outcome.request_id for outcome in outcomes if outcome.request_id is not None]


def holders(count: int) -> Iterator[tuple[str, str, str, str]]:
    """Give name, national id, post and CSR of so many persons."""
    for _ in range(count):
        number = next(_NUMBERS)
        encoded = base64.b64encode(csr_for(ec_key())).decode()
        yield f"Nguyễn Văn Đức {number}", f"{number:012d}", "Chuyên viên", encoded


@contextmanager
def _processes(house: "TokenHouse") -> Iterator[Callable[[list[uuid.UUID]], None]]:
    """Run processes that issue what they are given, a share each."""
    url = house.sessions.kw["bind"].url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.bench.issue_process", url, str(house.module)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
            )
            for _ in range(PROCESSES)
        ]

        def issue(ids: list[uuid.UUID]) -> None:
            for number, process in enumerate(running):
                share = ids[number::PROCESSES]
                print(*share, file=process.stdin, flush=True)
            done = sum(int((process.stdout or io.StringIO()).readline()) for process in running)
            if done != len(ids):
                raise RuntimeError(f"{done} of {len(ids)} were issued")

        issue(put_in(house, 64))  # the first certificate of a profile is linted in full
        yield issue
        for process in running:
            process.communicate()


@dataclass(repr=False)
class TokenHouse(House):
    """A house whose authorities lie on a token; the issuing one has the algorithm asked for."""

    token: KeyURI | None = None
    module: Path = Path()
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256

    def make_key(self, label: str, algorithm: KeyAlgorithm) -> KeyURI:
        if self.token is None:
            raise RuntimeError("a token house has a token")
        wanted = self.algorithm if label == "issuing" else algorithm
        return generate_key(self.keys, self.token, label=label, algorithm=wanted)


@contextmanager
def _house(algorithm: KeyAlgorithm) -> Iterator[tuple["TokenHouse", Callable[[int], float]]]:
    token = new_token("bench")
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "postgres") as server,
        store_for(token) as keys,
    ):
        schema.upgrade(server.url)
        engine = create_engine(server.url)
        house = TokenHouse(session_factory(engine), keys, Path(directory))
        house.token, house.module, house.algorithm = token.uri, token.module, algorithm
        house.establish()
        subject = Subject(keys, token.uri, algorithm)

        def raw(sessions: int) -> float:
            return rate([subject.raw() for _ in range(sessions)], subject.count).wall

        _here(house, put_in(house, 64))  # the first certificate of a profile is linted in full
        try:
            yield house, raw
        finally:
            engine.dispose()
