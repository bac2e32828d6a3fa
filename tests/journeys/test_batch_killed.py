"""A batch killed (SIGKILL) again and again: no file lost, none signed twice."""

import json
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.database import TestDatabases
from tests.journeys.running import ROOT
from tests.journeys.test_kill import assert_nothing_without_its_intent, rows
from tests.pdf.signing_kit import pdfsig

FILES = 200
MOST_RUNS = 12
SEED = 20260305
ZEROS = re.compile(rb"/Contents\s*<0+>")


def victim(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.journeys.batch_victim", *map(str, arguments)]


def signed(url: str) -> int:
    return int(str(rows(url, "SELECT count(*) FROM signatures")[0][0]))


def killed_in_the_middle(url: str, command: list[str], moment: float) -> bool:
    """Run until some more files are signed, then kill; say whether it was still at work."""
    before = signed(url)
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.read(1)
        while process.poll() is None and signed(url) == before:
            time.sleep(0.005)
        time.sleep(moment)
        process.kill()
        return process.wait() != 0


@pytest.mark.slow
@pytest.mark.token
def test_two_hundred_files_and_one_signature_for_each_through_all_kills(
    postgres: TestDatabases, tmp_path: Path
) -> None:
    url = postgres.new_database()
    home = tmp_path / "home"
    home.mkdir()
    made = subprocess.run(
        victim("prepare", home, url, FILES), cwd=ROOT, capture_output=True, check=True, timeout=120
    )
    batch_id = json.loads(made.stdout)["id"]
    moments = random.Random(SEED)  # noqa: S311 -- moments of kills, not secrets
    command = victim("run", home, url, batch_id)
    kills = 0
    for _ in range(3):
        kills += killed_in_the_middle(url, command, moments.uniform(0, 0.5))
    assert kills > 0, "no kill hit the batch at work"
    for _ in range(MOST_RUNS):
        subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)
        if rows(url, "SELECT status FROM sign_batches") == [("done",)]:
            break

    assert rows(url, "SELECT status, count(*) FROM sign_batch_items GROUP BY 1") == [
        ("signed", FILES)
    ]
    assert signed(url) == FILES
    once = "SELECT count(DISTINCT object_id), count(*) FROM audit_log WHERE action = 'sign.signed'"
    assert rows(url, once) == [(FILES, FILES)]
    assert_nothing_without_its_intent(url)
    found = rows(url, "SELECT position, request_id FROM sign_batch_items ORDER BY position")
    for position, request_id in found:
        content = (home / "documents" / f"{request_id}.pdf").read_bytes()
        assert b"%%%d\n" % int(str(position)) in content, "another file's signature"
        assert not ZEROS.search(content)
    for _, request_id in found[:: FILES // 4]:
        assert pdfsig(home / "documents" / f"{request_id}.pdf").valid == 1
    assert not list((home / "documents" / "batches").glob("*-*"))
