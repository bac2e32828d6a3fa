"""Killed at random moments of issue, revoke and CRL: nothing lost, nothing said too late or twice.

`python -m tests.journeys.registry_kills --kills 500` is the long form of the same.
"""

import json
import subprocess
import sys

import pytest

from tests.database import TestDatabases
from tests.journeys import registry_truth
from tests.journeys.running import ROOT

KILLS = 16


@pytest.mark.slow
@pytest.mark.token
def test_no_kill_loses_a_revocation_or_leaves_a_signature_without_its_intent(
    postgres: TestDatabases,
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.journeys.registry_kills", "--kills", str(KILLS)),
            *("--database", postgres.new_database()),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert not registry_truth.wrong(figures), done.stderr
    assert done.returncode == 0, done.stderr
    assert figures["kills"] == KILLS
    assert figures["during"]["server"]
    for count in ("asked", "acknowledged", "signatures", "lists"):
        assert figures[count] > 0, count
