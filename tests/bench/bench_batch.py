"""A batch of 1,000 files, killed in the middle and resumed, beside one file after the other.

The reference is the walk of a single signature in the same installation, so the ratio says what the
batch's bookkeeping costs and what its several files at once gain. Counted is the time in which a
process was at work, from its start to its end or its kill.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import psycopg

from api.settings import from_environment
from api.wiring import build
from db import schema
from db.embedded import EmbeddedPostgres
from pdf.options import Level, SignatureOptions
from signing import sign
from signing.sign import SignOrder
from tests.bench.row import Row
from tests.journeys.running import ROOT, SAMPLE
from tests.journeys.victims import CLERK

FILES = 1000
ALONE = 60


def rows() -> Iterable[Row]:
    """Measure; a batch that lost or doubled a file raises."""
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "postgres") as server,
    ):
        home = Path(directory) / "home"
        home.mkdir()
        schema.upgrade(server.url)
        batch_id = json.loads(_victim("prepare", home, server.url, FILES))["id"]
        seconds = _killed(home, server.url, batch_id)
        started = time.monotonic()
        _victim("run", home, server.url, batch_id)
        seconds += time.monotonic() - started
        found = _one(server.url, "SELECT count(*) FROM sign_batch_items WHERE status = 'signed'")
        made = _one(server.url, "SELECT count(*) FROM signatures")
        if (found, made) != (FILES, FILES):
            raise RuntimeError(f"{found} files signed with {made} signatures, not {FILES}")
        yield Row(
            name="batch.b-b.1000.killed-and-resumed",
            value=FILES / seconds,
            unit="per_s",
            reference_name="one file after the other, one process",
            reference_value=_alone(home, server.url),
            goal=0.8,
        )


def _killed(home: Path, url: str, batch_id: str) -> float:
    """Run until half of the files are signed, and kill; give the seconds at work."""
    started = time.monotonic()
    process = subprocess.Popen(
        _command("run", home, url, batch_id), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while process.poll() is None and _one(url, "SELECT count(*) FROM signatures") < FILES // 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    return time.monotonic() - started


def _alone(home: Path, url: str) -> float:
    """Sign files one by one; give how many in a second."""
    settings = from_environment({"ANTIN_HOME": str(home), "ANTIN_PUBLIC_URL": "http://127.0.0.1:1"})
    wiring = build(settings, url)
    try:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT certificate_id FROM sign_batches").fetchone()
        assert found is not None
        started = time.monotonic()
        for _ in range(ALONE):
            at = wiring.clock()
            order = SignOrder(
                certificate_id=found[0],
                file_name="quyet-dinh.pdf",
                options=SignatureOptions(signing_time=at),
                level=Level.B_B,
            )
            with SAMPLE.open("rb") as source:
                request = sign.start(wiring.desk, source, order, at=at, actor=CLERK)
            sign.sign_now(wiring.desk, request.id, at=wiring.clock(), actor=CLERK)
        return ALONE / (time.monotonic() - started)
    finally:
        wiring.close()


def _one(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(query).fetchone()
    return int(found[0]) if found is not None else 0


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.journeys.batch_victim", *map(str, arguments)]


def _victim(*arguments: object) -> bytes:
    return subprocess.run(_command(*arguments), cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
