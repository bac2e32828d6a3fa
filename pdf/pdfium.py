"""Drawing pages and finding words on them, in a process of its own with bounds.

One such process serves this one; it is started when it is first needed, and killed and replaced
when it overruns its time. Signing itself never needs it: only previews, and stamps that are to
stand at certain words.
"""

import atexit
import contextlib
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from pdf.errors import PageUndrawable

SECONDS = 15.0
"""For one page to be drawn, or one document to be looked through."""
WAIT_SECONDS = 30.0
MOST_JOBS = 500
"""A worker is replaced now and then, so that nothing gathers in it."""
_GRACE_SECONDS = 2.0
LENGTH = struct.Struct(">II")
"""In front of each message between the two: bytes of its JSON, and of the data behind it."""


@dataclass(frozen=True)
class Answer:
    """What the worker tells, and the picture if one was asked for."""

    told: dict[str, object]
    data: bytes


class _Worker:
    def __init__(self) -> None:
        self.jobs = 0
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own interpreter and module
                [sys.executable, "-m", "pdf.pdfium_worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LC_ALL": "C.UTF-8"},
            )
        self._socket = ours

    def ask(self, file: BinaryIO, asked: dict[str, object], *, seconds: float) -> Answer:
        self.jobs += 1
        self._socket.settimeout(seconds + _GRACE_SECONDS)
        request = json.dumps({**asked, "seconds": seconds}).encode()
        socket.send_fds(self._socket, [LENGTH.pack(len(request), 0)], [file.fileno()])
        self._socket.sendall(request)
        told, data = LENGTH.unpack(self._exactly(LENGTH.size))
        return Answer(json.loads(self._exactly(told)), self._exactly(data))

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = self._socket.recv(min(size - len(data), 1 << 20))
            if not more:
                raise ConnectionError("the worker ended")
            data += more
        return bytes(data)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()


class Pdfium:
    """The worker of this process; threads share it."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._owner = os.getpid()

    def ask(self, source: BinaryIO, asked: dict[str, object]) -> dict[str, object]:
        """Have one thing done with a document and give what is told about it."""
        return self.ask_for_data(source, asked).told

    def ask_for_data(
        self, source: BinaryIO, asked: dict[str, object], *, seconds: float | None = None
    ) -> Answer:
        """Have one thing done with a document; raises PageUndrawable when it cannot be.

        `seconds` are for this once, for the answer and for waiting until others have theirs.
        """
        if not self._lock.acquire(timeout=WAIT_SECONDS if seconds is None else seconds):
            raise PageUndrawable("too many pages are waiting to be drawn")
        try:
            with as_file(source) as file:
                answer = self._answer(file, asked, seconds or self._seconds)
        finally:
            self._lock.release()
        if "error" in answer.told:
            raise PageUndrawable(f"the page cannot be read: {answer.told['error']}")
        return answer

    def _answer(self, file: BinaryIO, asked: dict[str, object], seconds: float) -> Answer:
        if self._worker is None or self._owner != os.getpid():
            self._worker, self._owner = _Worker(), os.getpid()
        try:
            answer = self._worker.ask(file, asked, seconds=seconds)
        except TimeoutError as error:
            self._end()
            raise PageUndrawable("the page takes too long to read") from error
        except (OSError, ValueError) as error:
            self._end()
            raise PageUndrawable("the page takes more than it may, or breaks its reader") from error
        except BaseException:
            self._end()
            raise
        if self._worker.jobs >= MOST_JOBS:
            self._end()
        return answer

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None and self._owner == os.getpid():
            worker.end()

    def close(self) -> None:
        """End the worker; the next question starts another."""
        with self._lock:
            self._end()


READER = Pdfium()
"""The one of this process; it starts nothing before it is asked."""
atexit.register(READER.close)


@contextlib.contextmanager
def as_file(source: BinaryIO) -> Iterator[BinaryIO]:
    """Give a real file with the same content; what is in memory is written to an unnamed one."""
    try:
        source.fileno()
    except (io.UnsupportedOperation, AttributeError):
        with tempfile.TemporaryFile() as copy:
            source.seek(0)
            shutil.copyfileobj(source, copy)
            copy.flush()
            yield cast("BinaryIO", copy)
    else:
        source.flush()
        yield source
