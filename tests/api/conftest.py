"""The server of this room's tests."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from api import first_run
from api.app import create_app
from api.process import http_config
from api.settings import Settings
from api.wiring import Wiring, build
from hsm.secret import Secret
from signing.isolation import Isolation
from tests.api.office import ADMINISTRATOR, Office

UPLOAD_LIMIT = 300_000


@pytest.fixture(scope="session")
def readers() -> Iterator[Isolation]:
    """The worker processes that read documents, for all tests of a process."""
    isolation = Isolation(size=2)
    yield isolation
    isolation.close()


@pytest.fixture
def office(database_url: str, tmp_path: Path, readers: Isolation) -> Iterator[Office]:
    settings = Settings(
        home=tmp_path / "home",
        admin_token=Secret(ADMINISTRATOR),
        public_url="http://127.0.0.1:8000",
        max_upload_bytes=UPLOAD_LIMIT,
    )
    first_run.make_home(settings)
    first_run.set_up(settings, database_url)
    wiring = build(settings, database_url, isolation=readers)
    with served(wiring) as base, httpx.Client(base_url=base, timeout=30, trust_env=False) as http:
        yield Office(wiring, http)
    wiring.close()


@contextlib.contextmanager
def served(wiring: Wiring) -> Iterator[str]:
    """Serve in a thread of this process, over real HTTP."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(http_config(create_app(wiring)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
