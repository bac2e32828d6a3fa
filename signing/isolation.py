"""Work on bytes of strangers in processes of its own, each with a limit of time and memory.

A few workers take one job after the other. One that overruns its time or memory is killed and
replaced, and only its own job is lost: `JobLost`. A worker is a fresh interpreter with an empty
environment, so it holds no key, no database connection and no secret of this process. What a job
may ask back is answered by the caller's `ask`.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from signing import frames
from signing.errors import WorkersBusy
from signing.frames import ConnectionEnded, Frame

MEMORY_BYTES = 3 * 1024**3
"""Address space of a worker: the largest document mapped, and as much again to work with."""
JOBS_PER_WORKER = 10_000
"""A worker is replaced now and then, so that nothing gathers in it."""
START_SECONDS = 60.0
"""For an interpreter to start and load its modules on a machine under load."""
WORKER = "signing.isolated_worker"
_GRACE_SECONDS = 2.0


class JobLost(Exception):
    """The worker overran its bounds or ended; `late` says which."""

    def __init__(self, *, late: bool) -> None:
        self.late = late
        super().__init__("the time is over" if late else "the worker ended")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to do: the name of a job of the worker, its parameters, byte strings, open files."""

    kind: str
    head: dict[str, object] = field(default_factory=dict)
    parts: Sequence[bytes] = ()
    files: Sequence[BinaryIO] = ()


Ask = Callable[[Frame], Frame]


class _Worker:
    """One child process and our end of the connection to it."""

    def __init__(self, module: str, memory: int) -> None:
        self.jobs = 0
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                [sys.executable, "-m", module, str(theirs.fileno()), str(memory)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
                close_fds=True,
            )
        self._socket = ours
        self._ready = False

    def _await_start(self) -> None:
        """Wait until the worker has loaded its modules: that is not the document's time."""
        if not self._ready:
            self._socket.settimeout(START_SECONDS)
            frames.receive(self._socket)
            self._ready = True

    def run(self, job: Job, *, seconds: float, ask: Ask | None) -> Frame:
        """Do one job; the clock stands still while the worker waits for our answers."""
        self.jobs += 1
        self._await_start()
        head = {**job.head, "job": job.kind, "seconds": seconds}
        self._socket.settimeout(seconds + _GRACE_SECONDS)
        frames.send(
            self._socket, Frame(head, job.parts, tuple(file.fileno() for file in job.files))
        )
        left = seconds
        while True:
            started = time.monotonic()
            self._socket.settimeout(max(left, 0.01))
            answer = frames.receive(self._socket)
            left -= time.monotonic() - started
            if "ask" not in answer.head:
                return answer
            if ask is None:
                raise ConnectionEnded("the worker asks what nobody answers")
            self._socket.settimeout(seconds + _GRACE_SECONDS)
            frames.send(self._socket, ask(answer))

    def end(self) -> None:
        """Kill the process and reap it."""
        self._process.kill()
        self._process.wait()
        self._socket.close()


class Isolation:
    """The workers of one process; threads share it."""

    def __init__(
        self,
        *,
        size: int,
        wait_seconds: float = 10.0,
        memory: int = MEMORY_BYTES,
        module: str = WORKER,
    ) -> None:
        """Take up to `size` workers, started when they are needed.

        A job waits `wait_seconds` for one to be free; then it is refused with WorkersBusy.
        """
        self._free = threading.BoundedSemaphore(size)
        self._wait = wait_seconds
        self._memory = memory
        self._module = module
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False

    def run(self, job: Job, *, seconds: float, ask: Ask | None = None) -> Frame:
        """Have a job done within so many seconds; raises JobLost, WorkersBusy."""
        if not self._free.acquire(timeout=self._wait):
            raise WorkersBusy("every worker is busy with another document")
        try:
            worker = self._taken()
            try:
                answer = worker.run(job, seconds=seconds, ask=ask)
            except TimeoutError as error:
                worker.end()
                raise JobLost(late=True) from error
            except (ConnectionEnded, OSError) as error:
                worker.end()
                raise JobLost(late=False) from error
            except BaseException:
                worker.end()
                raise
            self._give_back(worker)
            return answer
        finally:
            self._free.release()

    def warm(self) -> None:
        """Start one worker beforehand, so that the first caller does not wait for it."""
        self._give_back(self._taken())

    def close(self) -> None:
        """End every worker that is idle; busy ones end with their job."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _taken(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker(self._module, self._memory)

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            if not self._closed and worker.jobs < JOBS_PER_WORKER:
                self._idle.append(worker)
                return
        with contextlib.suppress(OSError):
            worker.end()
