"""The registry over HTTP: OCSP answers beside bytes from bare ASGI, certificates issued one by one.

Rates are of a closed loop over keep-alive connections, with a client in Python on the same two
cores; so the bare route is measured by the same client, in turn with ours. The CPU of the server's
process says more on a machine that others use, and is shown beside it.
"""

import contextlib
import os
import selectors
import socket
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.bench.http_load import Server, post, read_answer, serving
from tests.bench.http_service import Service, service
from tests.bench.row import Row
from tests.ca.house import csr_builder

CONNECTIONS = 64
ROUNDS = 3
SECONDS = 2.0
NONCES = 4000
ISSUED = 400
WARMED = 32
OCSP_GOAL, NONCE_GOAL, P99_GOAL_MS, ISSUE_GOAL = 15_000, 4_000, 20.0, 600
OCSP_TYPE = "application/ocsp-request"


@dataclass(frozen=True)
class Load:
    """What a closed loop found."""

    per_second: float
    p99_ms: float
    cpu_us: float


def rows() -> Iterable[Row]:
    """Measure OCSP on one web process beside a bare route on another, then issuing on two."""
    with service() as running, serving("tests.bench.http_apps:bare") as bare:
        yield from _ocsp(running, bare)
    with service(workers=2) as running:
        yield _issue(running)


def _ocsp(running: Service, bare: Server) -> Iterator[Row]:
    kept = post("/ocsp", running.ocsp_request, content_type=OCSP_TYPE)
    small = post("/", bytes(75), content_type=OCSP_TYPE)
    pairs = [(loop(running.server, lambda: kept), loop(bare, lambda: small)) for _ in range(ROUNDS)]
    ours, theirs = (best([pair[side] for pair in pairs]) for side in (0, 1))
    bytes_only = "fixed bytes from bare ASGI"
    yield _rate("ca.ocsp.http", ours.per_second, bytes_only, theirs.per_second, 0.7)
    yield _rate("ca.ocsp.http.rate", ours.per_second, "the goal", OCSP_GOAL, 1.0)
    yield Row(
        name="ca.ocsp.http.p99",
        value=ours.p99_ms,
        unit="ms_wall",
        reference_name="the goal",
        reference_value=P99_GOAL_MS,
        goal=1.0,
    )
    yield Row(
        name="ca.ocsp.http.cpu",
        value=ours.cpu_us / 1000,
        unit="ms_cpu",
        reference_name=bytes_only,
        reference_value=theirs.cpu_us / 1000,
        goal=0.7,
    )
    asked = iter(_with_nonces(running.ocsp_request))
    found = best([loop(running.server, lambda: next(asked), count=NONCES) for _ in range(ROUNDS)])
    yield _rate("ca.ocsp.http.nonce", found.per_second, "the goal", NONCE_GOAL, 1.0)


def _issue(running: Service) -> Row:
    """Approve and issue one request after the other, many callers at a time."""
    base = f"http://127.0.0.1:{running.server.port}"
    with httpx.Client(base_url=base, trust_env=False, timeout=60) as client:
        ids, second = _put_in(client, running.token, ISSUED + WARMED)
    letters = iter(
        [
            post(
                f"/api/v1/certificate-requests/{one}/approve",
                b"{}",
                content_type="application/json",
                token=second,
            )
            for one in ids
        ]
    )
    loop(running.server, lambda: next(letters), count=WARMED, connections=WARMED)
    found = loop(running.server, lambda: next(letters), count=ISSUED, connections=32)
    return _rate("ca.issue.rest.p-256", found.per_second, "the goal", ISSUE_GOAL, 1.0)


def _put_in(client: httpx.Client, token: str, count: int) -> tuple[list[str], str]:
    def ask(path: str, body: dict[str, object]) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.post(f"/api/v1/{path}", json=body, headers=headers)
        return dict(answer.raise_for_status().json())

    unit = ask("organizations", {"code": "2", "name": "Sở Tài chính", "level": "department"})
    person = ask(
        "subscribers",
        {"organization_id": unit["id"], "full_name": "Trần Thị Đức", "post": "Văn thư"},
    )
    second = ask("api-tokens", {"name": "bench", "roles": [{"role": "administrator"}]})["token"]
    ids = []
    for _ in range(count):
        key = ec.generate_private_key(ec.SECP256R1())
        csr = csr_builder().sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
        body: dict[str, object] = {"subscriber_id": person["id"], "csr": csr}
        ids.append(str(ask("certificate-requests", body)["id"]))
    return ids, str(second)


def _with_nonces(plain: bytes) -> Iterator[bytes]:
    """Write the same question with a nonce of its own each time."""
    asked = ocsp.load_der_ocsp_request(plain)
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number, asked.hash_algorithm
    )
    marker = bytes(range(16))
    made = builder.add_extension(x509.OCSPNonce(marker), critical=False).build()
    letter = post("/ocsp", made.public_bytes(Encoding.DER), content_type=OCSP_TYPE)
    while True:
        yield letter.replace(marker, os.urandom(16))


def loop(
    server: Server,
    letter: Callable[[], bytes],
    *,
    count: int | None = None,
    connections: int = CONNECTIONS,
) -> Load:
    """Keep every connection waiting for one answer, for some seconds or a number of answers."""
    with contextlib.ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        sent: dict[int, float] = {}
        for _ in range(connections):
            address = ("127.0.0.1", server.port)
            one = stack.enter_context(socket.create_connection(address, 30))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(one, selectors.EVENT_READ)
            sent[one.fileno()] = time.perf_counter()
            one.sendall(letter())
        began, before = time.perf_counter(), server.cpu_seconds()
        left = (count or 10**9) - connections
        waits: list[float] = []
        while sent:
            for key, _ in selector.select():
                waiting = key.fileobj
                if not isinstance(waiting, socket.socket):
                    continue
                read_answer(waiting)
                now = time.perf_counter()
                waits.append(now - sent.pop(waiting.fileno()))
                if left > 0 and (count is not None or now - began < SECONDS):
                    left -= 1
                    sent[waiting.fileno()] = now
                    waiting.sendall(letter())
        spent = time.perf_counter() - began
        cpu = server.cpu_seconds() - before
    p99 = statistics.quantiles(waits, n=100)[98]
    return Load(len(waits) / spent, 1000 * p99, 1e6 * cpu / len(waits))


def best(loads: Sequence[Load]) -> Load:
    """Take the round that others on the machine disturbed least."""
    return max(loads, key=lambda load: load.per_second)


def _rate(name: str, value: float, reference: str, beside: float, goal: float) -> Row:
    return Row(
        name=name,
        value=value,
        unit="per_s",
        reference_name=reference,
        reference_value=beside,
        goal=goal,
    )
