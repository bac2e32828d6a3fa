"""What serving costs: bare routes beside the framework, and the service beside its own limits.

All values are CPU of the server's processes. The embedded database is not one of them.
"""

import time
from collections.abc import Iterable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.bench.http_load import cost_ms, post, serving
from tests.bench.http_service import sample, service
from tests.bench.row import Row

OCSP_REQUEST = bytes(75)
DOCUMENT = bytes(2_000_000)
SMALL, LARGE = 12_000, 160
STORED_ANSWERS, SIGNATURES = 4000, 400


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
    """Measure the service itself: a stored OCSP answer, and a signature from upload to answer."""
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
        path = f"/api/v1/sign?certificate_id={running.certificate_id}&level=B-B"
        letter = post(path, sample(), content_type="application/pdf", token=running.token)
        yield Row(
            name="http.sign.b-b.35kB",
            value=cost_ms(running.server, letter, count=SIGNATURES),
            unit="ms_cpu",
            reference_name="one RSA-2048 signature",
            reference_value=raw_signature_ms(),
            goal=0.45,
        )


def raw_signature_ms(count: int = 1000) -> float:
    """Measure the key operation alone, in this process."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    before = time.process_time()
    for _ in range(count):
        key.sign(b"x" * 100, padding.PKCS1v15(), hashes.SHA256())
    return (time.process_time() - before) * 1000 / count
