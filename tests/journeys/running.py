"""A real server process with a home of its own, as `make run` starts it, and people who call it."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "docs" / "samples" / "quyet-dinh.pdf"
START_SECONDS = 90
Json = dict[str, Any]


@dataclass
class Running:
    """A server process: where it answers, who may call, what it said."""

    home: Path
    port: int
    token: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def base(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Everything that it printed."""
        return self.home / f"server-{self.port}.log"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self.log.open("ab") as sink:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api.cli", "serve"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while b"serves at" not in self.log.read_bytes().rpartition(b"--- stopped ---")[2]:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        with self.log.open("ab") as sink:
            sink.write(b"--- stopped ---\n")
        return code

    def kill(self) -> None:
        """Kill the whole process group at once, as a power cut would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with self.log.open("ab") as sink:
            sink.write(b"--- stopped ---\n")

    def children(self, kind: str) -> list[int]:
        """Return the process ids of its children of a kind: web or jobs."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        rows = [line.split(None, 1) for line in listed.splitlines()]
        return [int(pid) for pid, arguments in rows if f"api.process {kind}" in arguments]

    def antin(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run an operator's command on the same installation."""
        return subprocess.run(
            [sys.executable, "-m", "api.cli", *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def caller(self, token: str | None = None) -> httpx.Client:
        """Return a client that calls with a token, the first administrator's by default."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.base, timeout=60, trust_env=False, headers=headers)


@dataclass
class Office:
    """Two administrators at a running server."""

    server: Running
    first: httpx.Client
    second: httpx.Client
    organization: Json

    def ask(self, *, kind: str = "rsa-2048", name: str = "Nguyễn Thị Hoài Thương") -> str:
        """Ask for a personal certificate; the id of the request."""
        person = made(
            self.first,
            "/subscribers",
            {"organization_id": self.organization["id"], "full_name": name, "post": "Chủ tịch"},
        )
        body = {"subscriber_id": person["id"], "key_algorithm": kind}
        return str(made(self.first, "/certificate-requests", body)["id"])

    def certificate(self, *, kind: str = "rsa-2048") -> Json:
        """Have a certificate issued with its key on the token."""
        request = self.ask(kind=kind)
        approved = made(self.second, f"/certificate-requests/{request}/approve", {})
        return dict(approved["certificate"])


def made(client: httpx.Client, path: str, body: Json) -> Json:
    """POST and expect success."""
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


@contextlib.contextmanager
def people(server: Running) -> Iterator[Office]:
    """Give two administrators and an organisation."""
    with server.caller() as first:
        body = {"name": "quản trị viên thứ hai", "roles": [{"role": "administrator"}]}
        second_token = made(first, "/api-tokens", body)["token"]
        code = f"000.00.{secrets.token_hex(4)}"
        name = "Ủy ban nhân dân tỉnh Bình Phước"
        organization = made(
            first, "/organizations", {"code": code, "name": name, "level": "province"}
        )
        with server.caller(second_token) as second:
            yield Office(server, first, second, organization)


@contextlib.contextmanager
def running(**settings: str) -> Iterator[Running]:
    """Run a server in a new home until the block ends; nothing is left of it."""
    home = Path(tempfile.mkdtemp(prefix="antin-journey-"))
    server = prepared(home, **settings)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        server.kill()
        shutil.rmtree(home, ignore_errors=True)


def prepared(home: Path, **settings: str) -> Running:
    """Describe a server on a home; it is not started."""
    port, token = free_port(), secrets.token_urlsafe(32)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTIN_")}
    kept.pop("SOFTHSM2_CONF", None)
    environment = kept | {
        "ANTIN_HOME": str(home),
        "ANTIN_PORT": str(port),
        "ANTIN_ADMIN_TOKEN": token,
        "ANTIN_WORKERS": "1",
        "ANTIN_LOG_LEVEL": "info",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    return Running(home, port, token, environment)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
