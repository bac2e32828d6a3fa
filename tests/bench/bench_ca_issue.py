"""What issuing many certificates costs: group commit, beside the raw signatures of the same token.

Requests are put in before; measured is approving and issuing, with the linter, durable commits,
audit entries and OCSP answers. All authorities lie on the token (SoftHSM). The raw rate is one
session that does nothing else; its rounds alternate with ours.
"""

import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ca import issue_batch, requests
from ca.issue_intents import Asked, Context
from ca.models import RequestKind
from ca.requests import RequestDetails
from db import schema
from db.embedded import EmbeddedPostgres
from db.session import create_engine, session_factory
from hsm.algorithms import KeyAlgorithm
from hsm.key_uri import KeyURI
from hsm.tokens import generate_key
from tests.bench.bench_hsm import Subject
from tests.bench.row import Row
from tests.ca.house import AT, CHIEF, CLERK, House, csr_for, ec_key
from tests.tokens import new_token, store_for

ROUNDS = 3
COUNT = 512
"""Certificates a round."""
PUT_IN = 128
PARALLEL = 2
GOAL_PER_SECOND = 2000


def rows() -> Iterable[Row]:
    """Measure batches under a P-256 and an RSA-2048 authority."""
    for algorithm, goal in ((KeyAlgorithm.P_256, None), (KeyAlgorithm.RSA_2048, 0.7)):
        with _house(algorithm) as (house, raw):
            pairs = [(_issued_per_second(house), raw()) for _ in range(ROUNDS)]
        ours = statistics.median(one for one, _ in pairs)
        name = f"ca.issue.batch.{algorithm.value}-token"
        yield Row(
            name=name,
            value=ours,
            unit="per_s",
            reference_name=f"raw {algorithm.value} signatures, one session of the token",
            reference_value=statistics.median(two for _, two in pairs),
            goal=goal,
        )
        if algorithm is KeyAlgorithm.P_256:
            yield Row(
                name=f"{name}.rate",
                value=ours,
                unit="per_s",
                reference_name="the goal",
                reference_value=GOAL_PER_SECOND,
                goal=1.0,
            )


def _issued_per_second(house: House) -> float:
    ids = _put_in(house)
    asked = [Asked(request_id=one, actor=CHIEF, approve=True) for one in ids]
    context = Context(house.keys, AT)
    began = time.perf_counter()
    outcomes = issue_batch.issue_batch(house.sessions, asked, context=context, parallel=PARALLEL)
    spent = time.perf_counter() - began
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return len(outcomes) / spent


def _put_in(house: House) -> list[uuid.UUID]:
    person = house.person()
    found: list[uuid.UUID] = []
    for _ in range(0, COUNT, PUT_IN):
        with house.sessions.begin() as session:
            for _ in range(PUT_IN):
                details = RequestDetails(
                    kind=RequestKind.NEW,
                    subscriber_id=person.id,
                    profile="personal",
                    csr=csr_for(ec_key()),
                )
                found.append(requests.submit(session, details=details, at=AT, actor=CLERK).id)
    return found


@dataclass(repr=False)
class TokenHouse(House):
    """A house whose authorities lie on a token; the issuing one has the algorithm asked for."""

    token: KeyURI | None = None
    algorithm: KeyAlgorithm = KeyAlgorithm.P_256

    def make_key(self, label: str, algorithm: KeyAlgorithm) -> KeyURI:
        if self.token is None:
            raise RuntimeError("a token house has a token")
        wanted = self.algorithm if label == "issuing" else algorithm
        return generate_key(self.keys, self.token, label=label, algorithm=wanted)


@contextmanager
def _house(algorithm: KeyAlgorithm) -> Iterator[tuple[House, Callable[[], float]]]:
    token = new_token("bench")
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "postgres") as server,
        store_for(token) as keys,
    ):
        schema.upgrade(server.url)
        engine = create_engine(server.url)
        house = TokenHouse(session_factory(engine), keys, Path(directory))
        house.token, house.algorithm = token.uri, algorithm
        house.establish()
        subject = Subject(keys, token.uri, algorithm)
        sign = subject.raw()

        def raw() -> float:
            began = time.perf_counter()
            for _ in range(subject.count):
                sign(b"data")
            return subject.count / (time.perf_counter() - began)

        _issued_per_second(house)  # the first certificate of a profile is linted in full
        try:
            yield house, raw
        finally:
            engine.dispose()
