"""One server for all journeys of a test process that do not kill theirs."""

from collections.abc import Iterator

import pytest

from tests.journeys.running import Office, Running, people, running

UPLOAD_LIMIT = 2_000_000


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    with running(ANTIN_MAX_UPLOAD_BYTES=str(UPLOAD_LIMIT)) as started:
        yield started


@pytest.fixture
def office(server: Running) -> Iterator[Office]:
    with people(server) as there:
        yield there
