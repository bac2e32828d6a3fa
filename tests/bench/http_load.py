"""A server process under load: what one request costs it, in CPU.

CPU time of the server's processes is compared instead of requests per second, because client and
server share the machine's few cores, and a client in Python would be measured along with it.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
START_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """A running server: its port, and the process whose tree does the work."""

    port: int
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Sum the CPU of the process and its descendants so far."""
        total = 0.0
        for process in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(application: str, *, command: tuple[str, ...] = ()) -> Iterator[Server]:
    """Serve an ASGI application in a process of its own; uvicorn unless a command is given."""
    port = free_port()
    uvicorn = (sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning")
    arguments = [*(command or uvicorn), "--host", "127.0.0.1", "--port", str(port), application]
    process = subprocess.Popen(arguments, cwd=ROOT)
    try:
        await_port(port, process)
        yield Server(port=port, process=psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(timeout=START_TIMEOUT_SECONDS)


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody answers the port."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended at start with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the server does not answer its port")


def post(path: str, body: bytes, *, content_type: str, token: str | None = None) -> bytes:
    """Write an HTTP/1.1 request down."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    if token is not None:
        head += f"Authorization: Bearer {token}\r\n"
    return head.encode() + b"\r\n" + body


Letter = bytes | Callable[[], bytes]
"""A request, or what writes another one each time."""


def cost_ms(server: Server, request: Letter, *, count: int, connections: int = 16) -> float:
    """Send a request about `count` times over parallel connections; CPU ms of the server for each.

    All connections have their request on the way before the first answer is read, so that the
    server is never idle and its wake-ups are shared, as under real load.
    """
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        sockets = [
            stack.enter_context(socket.create_connection(address, 10)) for _ in range(connections)
        ]
        exchange(sockets, request)  # warm up
        rounds = max(count // connections, 1)
        before = server.cpu_seconds()
        for _ in range(rounds):
            exchange(sockets, request)
        return (server.cpu_seconds() - before) * 1000 / (rounds * connections)


def exchange(sockets: list[socket.socket], request: Letter) -> None:
    """Send one request on every connection, then read every answer."""
    for connection in sockets:
        connection.sendall(request if isinstance(request, bytes) else request())
    for connection in sockets:
        read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """Read a whole answer and return its body; anything but 200 is an error."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode("latin-1"))
    lines = head.lower().split(b"\r\n")
    length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    while len(body) < length:
        body += receive(connection)
    return body


def receive(connection: socket.socket) -> bytes:
    """Read what is there; an end here is an error."""
    data = connection.recv(65536)
    if not data:
        raise RuntimeError("the server closed the connection")
    return data
