"""`antin serve`: one parent that owns database and children, N web processes, one job worker.

The parent serves no request. It binds the port first, so that a busy one is told before anything
is started; brings database, tables and authorities up; then starts fresh Python processes, never
forks, because a PKCS#11 module does not survive a fork. A child that dies is started again. On
SIGTERM or SIGINT the children finish their requests, then the embedded database stops.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from api import counters, first_run
from api.errors import PortBusy, SetUpFailed
from api.settings import child_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api.first_run import SetUp
    from api.settings import Settings

POLL_SECONDS: Final = 0.1
STOP_SECONDS: Final = 25.0
"""How long children may finish their work before they are killed."""
READY_SECONDS: Final = 60.0
QUICK_DEATH_SECONDS: Final = 10.0
MAX_QUICK_DEATHS: Final = 5
"""A child that dies this often in a row right after its start is not started again."""

log = logging.getLogger("antin.server")


@dataclass(frozen=True, slots=True)
class Serving:
    """What is told to whoever started the server, once it answers."""

    settings: Settings
    set_up: SetUp
    seconds: float


def serve(settings: Settings, *, ready: Callable[[Serving], None]) -> None:
    """Serve until told to stop; raises SetUpFailed, PortBusy or a room's error."""
    started = time.monotonic()
    with _listening(settings) as bound:
        settings = _with_port(settings, bound)
        with first_run.database(settings) as url:
            counters.start_anew(settings.counters)
            made = first_run.set_up(settings, url)
            for kind, open_ones in _left_open(made):
                log.warning("%d %s left open by a crash: %s", len(open_ones), kind, open_ones)
            supervisor = Supervisor(settings, url, bound)

            def tell() -> None:
                ready(Serving(settings, made, time.monotonic() - started))

            supervisor.run(tell)


def _left_open(made: SetUp) -> list[tuple[str, tuple[str, ...]]]:
    found = [
        ("certificate intents", made.open_certificates),
        ("sign requests", made.open_signatures),
    ]
    return [(kind, ids) for kind, ids in found if ids]


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """Bind the address; it answers only when a child listens."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise SetUpFailed(f"{settings.host} is not an address of this machine") from error
    with socket.socket(family, kind, protocol) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortBusy(f"{settings.host}:{settings.port} is in use") from error
            where = f"{settings.host}:{settings.port}"
            raise SetUpFailed(f"{where} cannot be bound: {error.strerror}") from error
        bound.set_inheritable(True)
        yield bound


def _with_port(settings: Settings, bound: socket.socket) -> Settings:
    """Fill in the port that was given for port 0."""
    port = bound.getsockname()[1]
    if port == settings.port:
        return settings
    public = settings.public_url
    if public.endswith(":0"):
        public = f"{public.removesuffix(':0')}:{port}"
    return replace(settings, port=port, public_url=public)


@dataclass(slots=True)
class Child:
    """One process of ours, and how it fares."""

    arguments: tuple[str, ...]
    process: subprocess.Popen[bytes]
    started: float
    quick_deaths: int = 0


class Supervisor:
    """Starts the children, keeps them running, and ends them."""

    def __init__(self, settings: Settings, url: str, bound: socket.socket) -> None:
        self._settings = settings
        self._environment = child_environment(settings, url=url)
        self._bound = bound
        self._stop = threading.Event()

    def run(self, tell: Callable[[], None]) -> None:
        """Run the children until a signal; raises SetUpFailed when one cannot live."""
        with _signals(self._stop):
            web = ("web", str(self._bound.fileno()))
            children = [self._start(web) for _ in range(self._settings.workers)]
            children.append(self._start(("jobs",)))
            try:
                if self._wait_until_ready(children):
                    tell()
                while not self._stop.wait(POLL_SECONDS):
                    self._look_after(children)
            finally:
                _end(children)

    def _start(self, arguments: tuple[str, ...], quick_deaths: int = 0) -> Child:
        process = subprocess.Popen(  # noqa: S603 -- this interpreter, our own module
            [sys.executable, "-m", "api.process", *arguments],
            env=self._environment,
            pass_fds=[self._bound.fileno()],
            stdin=subprocess.DEVNULL,
        )
        return Child(arguments, process, time.monotonic(), quick_deaths)

    def _look_after(self, children: list[Child]) -> None:
        """Start a child again that died."""
        for index, child in enumerate(children):
            code = child.process.poll()
            if code is None:
                continue
            quick = time.monotonic() - child.started < QUICK_DEATH_SECONDS
            deaths = child.quick_deaths + 1 if quick else 0
            if deaths > MAX_QUICK_DEATHS:
                raise SetUpFailed(f"the {child.arguments[0]} process ends with {code} at its start")
            log.warning("%s process %d ended with %d", child.arguments[0], child.process.pid, code)
            children[index] = self._start(child.arguments, deaths)

    def _wait_until_ready(self, children: list[Child]) -> bool:
        """Return whether the server became ready before it was told to stop."""
        host, port = self._bound.getsockname()[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- compared only
        url = f"http://[{shown}]:{port}/readyz" if ":" in shown else f"http://{shown}:{port}/readyz"
        deadline = time.monotonic() + READY_SECONDS
        said = "no answer"
        while time.monotonic() < deadline:
            if self._stop.wait(POLL_SECONDS):
                return False
            self._look_after(children)
            with contextlib.suppress(OSError):
                try:
                    with _OPENER.open(url, timeout=5):
                        return True
                except urllib.error.HTTPError as error:
                    said = error.read(2000).decode(errors="replace")
        raise SetUpFailed(f"the server does not become ready: {said}")


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM, SIGINT and SIGHUP set the event, and put the handlers back afterwards."""
    kinds = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {kind: signal.signal(kind, lambda *_: stop.set()) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _end(children: list[Child]) -> None:
    """Ask every child to end, wait, and kill what is left."""
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            child.process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
