"""Verifying many files side by side, each within its time, whatever the bytes do.

A few worker processes take one file after the other. A worker that overruns the time-out or dies is
killed and replaced, and its file gets the verdict INDETERMINATE. Where the system can, a worker is
a fork of this process, which has loaded everything already and holds no token and no thread.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import multiprocessing
import os
import resource
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Final

from ca.guarded_fetch import Fetcher, FetchLimits
from ca.revocation_sources import HttpSource
from ca.validation import PathPolicy, PathValidator
from pdf import verify as pdf_verify
from pdf.report import DocumentReport, Indication

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from multiprocessing.process import BaseProcess
    from pathlib import Path

MAX_WORKER_BYTES: Final = 4 * 1024**3
"""Address space of a worker: a file that wants more is not verified, and hurts nobody else."""
EVERYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
_HASH_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """One file and the moment that it is judged for."""

    file: Path
    at: datetime
    checked_at: datetime
    password: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    index: int = -1
    deadline: float = float("inf")


def verify_all(
    tasks: Sequence[Task], anchors: tuple[bytes, ...], *, offline: bool, timeout: float
) -> Iterator[tuple[int, str]]:
    """Yield (index of the task, report as JSON) as they are finished; `timeout` in seconds each."""
    waiting = list(range(len(tasks)))[::-1]
    busy: list[_Worker] = []
    idle: list[_Worker] = []
    at_once = min(len(tasks), os.cpu_count() or 1)
    try:
        while waiting or busy:
            while waiting and len(busy) < at_once:
                worker = idle.pop() if idle else _start(anchors, offline=offline)
                worker.index = waiting.pop()
                worker.deadline = time.monotonic() + timeout
                worker.pipe.send(tasks[worker.index])
                busy.append(worker)
            for worker in _finished(busy):
                busy.remove(worker)
                answer = _answer(worker)
                if answer is None:
                    _kill(worker)
                    yield worker.index, json.dumps(_given_up(tasks[worker.index]))
                else:
                    idle.append(worker)
                    yield worker.index, answer
    finally:
        for worker in (*busy, *idle):
            _kill(worker)


def _start(anchors: tuple[bytes, ...], *, offline: bool) -> _Worker:
    kind = "fork" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(kind)
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, anchors, offline), daemon=True)  # type: ignore[attr-defined]  # typed for the base context only
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _finished(busy: Sequence[_Worker]) -> list[_Worker]:
    """Wait until a worker has answered, died or run out of time."""
    soonest = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
    ready = wait([worker.pipe for worker in busy], timeout=soonest)
    now = time.monotonic()
    return [worker for worker in busy if worker.pipe in ready or worker.deadline <= now]


def _answer(worker: _Worker) -> str | None:
    """Return the report; None when the worker died or is late."""
    try:
        return str(worker.pipe.recv()) if worker.pipe.poll() else None
    except (EOFError, OSError):
        return None


def _kill(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.join()
    worker.pipe.close()


def _work(pipe: Connection, anchors: tuple[bytes, ...], offline: bool) -> None:  # noqa: FBT001 -- a process takes positional arguments
    """Verify what comes through the pipe, until nobody asks any more."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
    # The addresses asked are those in certificates below an anchor that the user trusts.
    limits = FetchLimits(allowed=EVERYWHERE)
    sources = [] if offline else [HttpSource(Fetcher(limits))]
    validator = PathValidator(anchors, sources, policy=PathPolicy())
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_verdict(task, validator))


def _verdict(task: Task, validator: PathValidator) -> str:
    try:
        with task.file.open("rb") as source:
            report = pdf_verify.verify(
                source,
                name=task.file.name,
                at=task.at,
                checked_at=task.checked_at,
                validator=validator,
                password=task.password,
            )
    except OSError as error:
        return json.dumps({"unreadable": error.strerror or type(error).__name__})
    return json.dumps(report.to_dict())


def _given_up(task: Task) -> dict[str, object]:
    """Return the report on a file that could not be judged within its bounds."""
    digest, size = hashlib.sha256(), 0
    with task.file.open("rb") as source:
        while chunk := source.read(_HASH_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    report = DocumentReport(
        file=task.file.name,
        sha256=digest.hexdigest(),
        size=size,
        checked_at=task.checked_at,
        validation_time=task.at,
        indication=Indication.INDETERMINATE,
        revisions=0,
        encrypted=False,
        reasons=("NOT_CONFIRMED",),
    )
    return dict(report.to_dict())
