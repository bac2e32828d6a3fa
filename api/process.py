"""The entry of a child process of the server: `web <socket>` or `jobs`.

Started by `api.server` as a fresh interpreter. It ends when its parent does, however that ended.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Final

from api.log import configure
from api.settings import Settings, from_environment
from api.wiring import build

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

PR_SET_PDEATHSIG: Final = 1
KEEP_ALIVE_SECONDS: Final = 30
GRACE_SECONDS: Final = 20
GARBAGE_THRESHOLD: Final = 20_000
"""New objects between two looks of the collector: some twenty requests, a few megabytes."""


def main(arguments: list[str]) -> None:
    """Run the part that the arguments name."""
    _end_with_parent()
    settings = from_environment()
    configure(settings.log_level)
    if arguments[:1] == ["web"]:
        web(settings, socket.socket(fileno=int(arguments[1])))
    elif arguments == ["jobs"]:
        jobs(settings)
    else:
        sys.exit(2)


def web(settings: Settings, listening: socket.socket) -> None:
    """Serve HTTP on a socket that is bound already."""
    import uvicorn  # noqa: PLC0415 -- the worker for jobs has no use for it

    from api.app import create_app  # noqa: PLC0415 -- the same

    wiring = build(settings, _url(settings))
    server = uvicorn.Server(http_config(create_app(wiring)))
    # What was loaded stays for good; the collector need not look through it for every request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    for kind in (signal.SIGTERM, signal.SIGINT):
        # The server raises the signal again at its end; by then it has done its work.
        signal.signal(kind, lambda *_: setattr(server, "should_exit", True))
    try:
        server.run(sockets=[listening])
    finally:
        wiring.close()


def http_config(app: ASGIApp) -> uvicorn.Config:
    """Return how the application is served, also by tests."""
    import uvicorn  # noqa: PLC0415 -- the worker for jobs has no use for it

    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http="httptools",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def jobs(settings: Settings) -> None:
    """Work on jobs until told to stop."""
    from api import worker  # noqa: PLC0415 -- the web processes have no use for it

    stop = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: stop.set())
    wiring = build(settings, _url(settings))
    try:
        worker.run(wiring, stop=stop)
    finally:
        wiring.close()


def _url(settings: Settings) -> str:
    if settings.database_url is None:
        sys.exit("a child process is given its database by its parent")
    return settings.database_url.reveal_text()


def _end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies; elsewhere than Linux, look for it."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            threading.Event().wait(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1:])
