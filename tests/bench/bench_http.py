"""What serving costs: bare routes beside the framework, and the service beside its own limits.

All values are CPU of the server's processes. The embedded database is not one of them.
"""

import contextlib
import socket
import tempfile
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.bench.bench_sign import document
from tests.bench.http_load import cost_ms, exchange, post, read_answer, serving
from tests.bench.http_service import Service, service
from tests.bench.row import Row

OCSP_REQUEST = bytes(75)
DOCUMENT = bytes(2_000_000)
SMALL, LARGE = 12_000, 160
STORED_ANSWERS, SIGNATURES, CONNECTIONS = 4000, 400, 16
MARKER = b"K" * 32
"""Where each request gets an Idempotency-Key of its own."""


def rows() -> Iterable[Row]:
    """Measure on one web process each."""
    small = post("/", OCSP_REQUEST, content_type="application/ocsp-request")
    large = post("/", DOCUMENT, content_type="application/pdf")
    with serving("tests.bench.http_apps:bare") as server:
        bare_small = cost_ms(server, small, count=SMALL)
        bare_large = cost_ms(server, large, count=LARGE)
    with serving("tests.bench.http_apps:framework") as server:
        framework_small = cost_ms(server, small, count=SMALL)
        framework_large = cost_ms(server, large, count=LARGE)
    yield Row(
        name="http.bare-route.500B",
        value=bare_small,
        unit="ms_cpu",
        reference_name="the same bytes through FastAPI",
        reference_value=framework_small,
        goal=2.0,
    )
    yield Row(
        name="http.framework.upload-2MB",
        value=framework_large,
        unit="ms_cpu",
        reference_name="the same upload to bare ASGI",
        reference_value=bare_large,
        goal=0.5,
    )
    yield from service_rows(bare_small)


def service_rows(bare_small: float) -> Iterable[Row]:
    """Measure the service itself, with one web process and then with two.

    Two workers give nearly twice as much only where there is room for them: database and client
    need a core too. So what a signature costs is shown beside how many there are in a second.
    """
    with service() as running:
        stored = post("/ocsp", running.ocsp_request, content_type="application/ocsp-request")
        yield Row(
            name="http.ocsp.stored",
            value=cost_ms(running.server, stored, count=STORED_ANSWERS),
            unit="ms_cpu",
            reference_name="fixed bytes from bare ASGI",
            reference_value=bare_small,
            goal=0.8,
        )
        yield from document_rows(running)
        alone, alone_ms = throughput(running), signature_cost(running)
    with service(workers=2) as running:
        yield Row(
            name="http.sign.b-b.50kB.2-workers.cpu",
            value=signature_cost(running),
            unit="ms_cpu",
            reference_name="one worker, for each signature",
            reference_value=alone_ms,
            goal=0.9,
        )
        yield Row(
            name="http.sign.b-b.50kB.2-workers",
            value=throughput(running),
            unit="per_s",
            reference_name="one worker, the same load",
            reference_value=alone,
            goal=1.8,
        )
    yield start_up()


def document_rows(running: Service) -> Iterable[Row]:
    """Measure what a document costs from upload to answer, and what asking for health costs."""
    path = f"/api/v1/sign?certificate_id={running.certificate_id}&level=B-B"
    letter = post(path, document(50_000), content_type="application/pdf", token=running.token)
    with socket.create_connection(("127.0.0.1", running.server.port), 30) as connection:
        connection.sendall(letter)
        signed = read_answer(connection)
    sign_ms = cost_ms(running.server, letter, count=SIGNATURES)
    yield Row(
        name="http.sign.b-b.50kB",
        value=sign_ms,
        unit="ms_cpu",
        reference_name="one signature by the same key",
        reference_value=raw_signature_ms(running.home),
        goal=0.45,
    )
    keyed = letter.replace(b"\r\n\r\n", b"\r\nIdempotency-Key: %s\r\n\r\n" % MARKER, 1)
    yield Row(
        name="http.sign.b-b.50kB.idempotency-key",
        value=cost_ms(
            running.server,
            lambda: keyed.replace(MARKER, uuid.uuid4().hex.encode(), 1),
            count=SIGNATURES,
        ),
        unit="ms_cpu",
        reference_name="without a key",
        reference_value=sign_ms,
        goal=0.6,
    )
    stamped = post(f"{path}&stamp=standard", document(50_000), content_type="application/pdf",
                   token=running.token)  # fmt: skip
    yield Row(
        name="http.sign.b-b.50kB.stamp",
        value=cost_ms(running.server, stamped, count=SIGNATURES),
        unit="ms_cpu",
        reference_name="without a stamp",
        reference_value=sign_ms,
        goal=0.7,
    )
    asked = post("/api/v1/verify", signed, content_type="application/pdf", token=running.token)
    yield Row(
        name="http.verify.50kB",
        value=cost_ms(running.server, asked, count=SIGNATURES),
        unit="ms_cpu",
        reference_name="three milliseconds, worker processes included",
        reference_value=3.0,
        goal=1.0,
    )
    health, ready = (
        cost_ms(running.server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), count=count)
        for path, count in (("/healthz", 1600), ("/readyz", 160))
    )
    yield Row(
        name="http.readyz",
        value=ready,
        unit="ms_cpu",
        reference_name="healthz",
        reference_value=health,
        goal=0.1,
    )


def signature_cost(running: Service) -> float:
    """Measure the CPU of the web processes for one signature of a letter."""
    path = f"/api/v1/sign?certificate_id={running.certificate_id}&level=B-B"
    letter = post(path, document(50_000), content_type="application/pdf", token=running.token)
    return cost_ms(running.server, letter, count=SIGNATURES)


def throughput(running: Service, *, seconds: float = 5.0) -> float:
    """Count the signatures a second that a client gets which keeps sixteen connections busy."""
    path = f"/api/v1/sign?certificate_id={running.certificate_id}&level=B-B"
    letter = post(path, document(50_000), content_type="application/pdf", token=running.token)
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", running.server.port)
        sockets = [
            stack.enter_context(socket.create_connection(address, 30)) for _ in range(CONNECTIONS)
        ]
        exchange(sockets, letter)
        started, done = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            exchange(sockets, letter)
            done += CONNECTIONS
        return done / (time.monotonic() - started)


def start_up() -> Row:
    """Measure the second start: everything is there, and is only brought up."""
    with tempfile.TemporaryDirectory(prefix="antin-bench-") as home:
        with service(home=home):
            pass
        started = time.monotonic()
        with service(home=home, issuing=False):
            taken = time.monotonic() - started
    return Row(
        name="http.start.second",
        value=taken * 1000,
        unit="ms_p95",
        reference_name="ten seconds",
        reference_value=10_000,
        goal=1.0,
    )


def raw_signature_ms(home: Path, count: int = 1000) -> float:
    """Measure the operation of the key that the service signs with, alone, in this process."""
    passphrase = (home / "secrets" / "keys").read_bytes().strip()
    for path in (home / "keys").glob("*.p8"):
        key = load_pem_private_key(path.read_bytes(), passphrase)
        if isinstance(key, rsa.RSAPrivateKey):
            before = time.process_time()
            for _ in range(count):
                key.sign(b"x" * 100, padding.PKCS1v15(), hashes.SHA256())
            return (time.process_time() - before) * 1000 / count
    raise RuntimeError("the service has no RSA key in files")
