"""The worker process: does jobs on bytes of strangers until its parent closes the connection.

Run as `python -m signing.isolated_worker <descriptor> <bytes of memory>`. It gives itself limits
before it reads anything: address space once, processor time for each job (which also ends it when
nobody is left to kill it).
"""

import os
import socket
import sys
import time

from signing import frames, isolated_jobs
from signing.frames import ConnectionEnded, Frame

_CPU_MARGIN_SECONDS = 2


def main(descriptor: int, memory: int) -> None:
    """Serve one connection to its end."""
    _limit_memory(memory)
    with socket.socket(fileno=descriptor) as connection:
        frames.send(connection, Frame({"ready": True}))
        while True:
            try:
                asked = frames.receive(connection)
            except (ConnectionEnded, OSError):
                return
            _limit_time(float(str(asked.head["seconds"])))
            try:
                answer = isolated_jobs.run(asked, connection)
            finally:
                for file in asked.files:
                    os.close(file)
            frames.send(connection, answer)


def _limit_memory(size: int) -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- not there on every system

    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_time(seconds: float) -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- not there on every system

    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    until = int(time.process_time() + seconds) + _CPU_MARGIN_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
