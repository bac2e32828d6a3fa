"""What the tests need of the machine: programs that may be missing, daemons, and taking turns.

`make test` installs the programs. Where they are missing nevertheless a test is skipped, but not in
CI (the variable `CI` is set): there a matrix with a hole in it would look complete.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

LIBRARIES = (*sorted(Path("/usr/lib").glob("*-linux-gnu")), Path("/usr/lib64"))
SBIN = Path("/usr/sbin")
START_SECONDS = 10.0


def program(name: str, package: str) -> Path:
    """Find a program, also among the daemons."""
    found = shutil.which(name) or shutil.which(name, path=str(SBIN))
    return Path(found) if found else missing(name, package)


def library(name: str, package: str) -> Path:
    """Find a PKCS#11 module or a driver below the system's library folders."""
    for folder in (*LIBRARIES, Path("/usr/lib")):
        if (folder / name).is_file():
            return folder / name
    return missing(name, package)


def missing(name: str, package: str) -> Path:
    """Say what is missing: a failure in CI, a skipped test elsewhere."""
    words = f"{name} is not on this machine: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


def wait_for(what: Callable[[], object], words: str, seconds: float = START_SECONDS) -> None:
    """Wait until *what* is true."""
    deadline = time.monotonic() + seconds
    while not what():
        if time.monotonic() > deadline:
            pytest.fail(f"{words} within {seconds:g} s")
        time.sleep(0.02)


class Daemon:
    """A process of the tests' own, in the foreground, ended with the tests."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        # Also when the test process is killed, nothing of it stays on the machine.
        self.command = ["setpriv", "--pdeathsig", "KILL", *(str(part) for part in command)]
        self.log = log
        self.environment: Mapping[str, str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=None if self.environment is None else {**os.environ, **self.environment},
            )

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        return -1 if self._process is None else self._process.pid

    def said(self) -> str:
        """What it wrote."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, *, suddenly: bool = False) -> None:
        """End it, politely or not."""
        process, self._process = self._process, None
        if process is None:
            return
        # With the processes it made for its clients: the group is its own.
        os.killpg(process.pid, signal.SIGKILL if suddenly else signal.SIGTERM)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)


@contextlib.contextmanager
def only_one_on_this_machine(name: str, seconds: float = 240.0) -> Iterator[None]:
    """Wait for other test processes that use the same daemon."""
    path = Path(tempfile.gettempdir()) / f"antin-tests-{name}.lock"
    with path.open("a") as file:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    pytest.fail(f"another test process has been using {name} for {seconds:g} s")
                time.sleep(0.1)
        yield
