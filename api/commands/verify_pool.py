"""Verifying many files side by side, each within its time, whatever the bytes do.

As many worker processes as the machine has cores take one file after the other; a file that takes
its worker down or overruns is INDETERMINATE, and the others are not touched.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from pdf.detached import looks_like_cms
from pdf.sub_indications import SubIndication
from signing.isolation import WORKER, Isolation
from signing.judging import Judging, OwnAnchors, Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from pdf.differences import Difference
    from pdf.report import JSON

_FIRST = 64


@dataclass(frozen=True, slots=True)
class Task:
    """One file and the moment that it is judged for; `content` is what a `.p7s` was made over."""

    file: Path
    at: datetime
    checked_at: datetime
    password: str | None = field(default=None, repr=False)
    content: Path | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The file could not be read; `problem` is the system's word."""

    problem: str


def verify_all(
    tasks: Sequence[Task],
    judge: OwnAnchors,
    *,
    timeout: float,
    pictured: dict[int, tuple[Difference, ...]] | None = None,
    worker: str = WORKER,
) -> Iterator[tuple[int, dict[str, JSON] | Unreadable]]:
    """Yield (index of the task, report) as they are finished; `timeout` in seconds each.

    Where `pictured` is given, it is filled with pictures of changed pages by the task's index.
    """
    at_once = min(len(tasks), os.cpu_count() or 1)
    isolation = Isolation(size=at_once, wait_seconds=timeout + 60, module=worker)
    judging = Judging(isolation, judge, timeout)
    try:
        with ThreadPoolExecutor(at_once) as threads:
            running = {
                threads.submit(_judged, judging, task, index, pictured): index
                for index, task in enumerate(tasks)
            }
            for done in as_completed(running):
                yield running[done], done.result()
    finally:
        isolation.close()


def inside(named: Sequence[Path]) -> list[Path]:
    """Give the files, and for a folder what can be verified in it and below, in order of names."""
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            below = (file for file in path.rglob("*") if file.suffix.lower() in _IN_FOLDERS)
            found += sorted(file for file in below if file.is_file())
        else:
            found.append(path)
    return found


def _judged(
    judging: Judging, task: Task, index: int, pictured: dict[int, tuple[Difference, ...]] | None
) -> dict[str, JSON] | Unreadable:
    try:
        with task.file.open("rb") as source:
            if task.content is not None:
                with task.content.open("rb") as content:
                    return judging.detached(source, content, _question(task, task.content.name))
            question = _question(task, task.file.name)
            if _is_edxml(task.file):
                return judging.edoc(source, question)
            if looks_like_cms(source.read(_FIRST)) and task.file.suffix.lower() in _CMS:
                return _beside(judging, task, source)
            source.seek(0)
            if pictured is None:
                return judging.document(source, question)
            report, pictured[index] = judging.pictured(source, question)
            return report
    except OSError as error:
        return Unreadable(error.strerror or type(error).__name__)


def _beside(judging: Judging, task: Task, source: BinaryIO) -> dict[str, JSON]:
    """Judge a signature over what it carries; else over the file it is named after, `a` of `a.p7s`.

    So `antin sign --detached` and `antin verify` understand each other without a word.
    """
    report = judging.detached(source, None, _question(task, task.file.name))
    named_after = task.file.with_suffix("")
    if not (_lacks_content(report) and named_after.is_file()):
        return report
    source.seek(0)
    with named_after.open("rb") as content:
        return judging.detached(source, content, _question(task, named_after.name))


def _lacks_content(report: dict[str, JSON]) -> bool:
    found = cast("list[dict[str, JSON]]", report["signatures"])
    return any(one["sub_indication"] == SubIndication.SIGNED_DATA_NOT_FOUND for one in found)


_IN_FOLDERS = frozenset({".pdf", ".p7s", ".edxml"})
_CMS = frozenset({".p7s", ".p7m", ".p7b", ".cms", ".pem", ".sig"})


def _is_edxml(file: Path) -> bool:
    return file.suffix.lower() == ".edxml"


def _question(task: Task, name: str) -> Question:
    return Question(file_name=name, at=task.at, checked_at=task.checked_at, password=task.password)
