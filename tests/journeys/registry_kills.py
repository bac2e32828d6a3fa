"""Processes that issue, revoke and publish are killed (SIGKILL) at hundreds of random moments.

    python -m tests.journeys.registry_kills --kills 500

A server with two web processes and a worker runs on the same database all the while, is asked for
OCSP answers about every revocation that was acknowledged, and has its own processes killed too.
In the end `registry_truth` holds what the victims noted against the tables, the audit log, the
lists and the answers; the figures are printed as JSON.

This process forks: keys, connections and threads live in its children only.
"""

import argparse
import contextlib
import json
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from api.settings import from_environment
from db.embedded import EmbeddedPostgres
from tests.journeys import registry_truth, registry_victim
from tests.journeys.registry_watch import watch
from tests.journeys.running import Running, prepared
from tests.journeys.victims import in_child
from tests.journeys.victims import prepare as set_up

SLOTS: Final = 2
LONGEST_LIFE: Final = 0.6
"""Seconds from the start of a victim's work to its kill; a deed takes a small part of it."""
SERVER_EVERY: Final = 12
"""One kill among so many is of a process of the server."""
SEED: Final = 20260303
STARTING_SECONDS: Final = 60


@dataclass
class Round:
    """A place where one victim after the other works."""

    slot: int
    pid: int = 0
    begun: int = -1
    dies_at: float | None = None
    started: float = 0.0


@dataclass
class Kills:
    """The whole walk."""

    url: str
    home: Path
    wanted: int
    seed: int
    done: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    def __post_init__(self) -> None:
        environment = {"ANTIN_HOME": str(self.home), "ANTIN_PUBLIC_URL": "http://127.0.0.1:1"}
        self.settings = from_environment(environment)
        self.journal = self.home / "journal"
        self.stages = mmap.mmap(-1, SLOTS)
        self.chance = random.Random(self.seed)  # noqa: S311 -- moments of kills, not secrets

    def run(self) -> dict[str, object]:
        """Prepare, kill, and judge; the figures."""
        registry_victim.warm_up()
        in_child(lambda: set_up(self.settings, self.url), kill_after=None)
        self._child(lambda: registry_victim.prepare(self.settings, self.url, self.journal))
        server = prepared(self.home, ANTIN_DATABASE_URL=self.url, ANTIN_WORKERS="2")
        server.start()
        try:
            with self._watcher(server.base) as seen:
                self._kill(server)
        finally:
            code = server.stop()
        found: dict[str, object] = dict(registry_truth.told(self.settings, self.url, self.journal))
        watched = json.loads(seen.read_text())
        return {
            "kills": self.done.total(),
            "during": dict(self.done),
            "died_of_themselves": self.failed,
            "server_ended_with": code,
            **watched,
            **found,
        }

    def _kill(self, server: Running) -> None:
        rounds = [Round(slot) for slot in range(SLOTS)]
        try:
            while self.done.total() < self.wanted:
                for each in rounds:
                    self._look_after(each)
                due = (self.done.total() + 1) // SERVER_EVERY
                if self.done["server"] < due and self.done.total() < self.wanted:
                    self._kill_a_child(server)
                time.sleep(0.002)
        finally:
            for each in rounds:
                self._end(each)

    def _look_after(self, each: Round) -> None:
        if not each.pid:
            self._begin(each)
            return
        if os.waitpid(each.pid, os.WNOHANG) != (0, 0):
            self.failed += 1
            each.pid = 0
            os.close(each.begun)
            return
        if each.dies_at is None:
            if _heard(each.begun):
                each.dies_at = time.monotonic() + self.chance.uniform(0, LONGEST_LIFE)
            elif time.monotonic() - each.started > STARTING_SECONDS:
                raise TimeoutError("a victim does not begin")
        elif time.monotonic() >= each.dies_at and self.done.total() < self.wanted:
            os.kill(each.pid, signal.SIGKILL)
            self.done[registry_victim.STAGES[self.stages[each.slot]]] += 1
            self._end(each)

    def _begin(self, each: Round) -> None:
        seed = self.chance.randrange(1 << 30)
        each.begun, says = os.pipe()
        os.set_blocking(each.begun, False)
        each.started, each.dies_at = time.monotonic(), None

        def victim() -> None:
            os.dup2(says, 3)
            registry_victim.work(
                self.settings, self.url, self.journal, self.stages, each.slot, seed
            )

        each.pid = _forked(victim)
        os.close(says)

    def _end(self, each: Round) -> None:
        if not each.pid:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(each.pid, signal.SIGKILL)
        os.waitpid(each.pid, 0)
        os.close(each.begun)
        each.pid = 0

    def _kill_a_child(self, server: Running) -> None:
        there = server.children(self.chance.choice(("web", "web", "jobs")))
        if there:
            os.kill(self.chance.choice(there), signal.SIGKILL)
            self.done["server"] += 1

    def _child(self, task: Callable[[], None]) -> None:
        _, status = os.waitpid(_forked(task), 0)
        if status:
            raise ChildProcessError("preparing failed")

    @contextlib.contextmanager
    def _watcher(self, base: str) -> Iterator[Path]:
        seen = self.home / "seen.json"
        pid = _forked(lambda: watch(base, self.journal, seen))
        try:
            yield seen
        finally:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def _forked(task: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        task()
    except BaseException as error:  # noqa: BLE001 -- a fork never returns to its parent's code
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)
    os._exit(0)


def _heard(begun: int) -> bool:
    try:
        return bool(os.read(begun, 1))
    except BlockingIOError:
        return False


def main() -> None:
    """Kill, print the figures, and end with 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--database", help="an empty database; none: a server of its own")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="antin-kills-")))
        url = given.database
        if url is None:
            url = stack.enter_context(EmbeddedPostgres(home / "postgres")).url
        (home / "home").mkdir(mode=0o700)
        figures = Kills(url, home / "home", given.kills, given.seed).run()
    json.dump(figures, sys.stdout, indent=2)
    sys.stdout.write("\n")
    sys.exit(1 if registry_truth.wrong(figures) else 0)


if __name__ == "__main__":
    main()
