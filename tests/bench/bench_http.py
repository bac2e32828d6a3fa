"""What the way of serving costs: the bare route beside the framework, for the PKI answers."""

from collections.abc import Iterable

from tests.bench.http_load import cost_ms, post, serving
from tests.bench.row import Row

OCSP_REQUEST = bytes(75)
DOCUMENT = bytes(2_000_000)
SMALL, LARGE = 12_000, 160


def rows() -> Iterable[Row]:
    """Compare bare ASGI and a FastAPI route on one uvicorn worker, CPU of the server."""
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
