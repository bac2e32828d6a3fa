"""A short coverage-guided run over every reader; the long one is `tests.attacks.fuzz_parsing`."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = 6
_FOUND = importlib.util.find_spec("atheris")


@pytest.mark.skipif(_FOUND is None, reason="atheris is made for Linux on x86-64 alone")
def test_no_reader_gives_anything_but_what_it_promises(tmp_path: Path) -> None:
    options = [f"-max_total_time={SECONDS}", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.attacks.fuzz_parsing", "everything", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert list(tmp_path.iterdir()) == []
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 100
