"""The web application: routes, errors, and the layers around them.

Built by `create_app` from a finished Wiring; nothing here reads settings or opens anything.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import APIRouter

from api import problems
from api.document_door import DocumentDoor
from api.issuing_door import IssuingDoor
from api.metering import Metered
from api.middleware import Envelope
from api.ocsp_door import OcspDoor
from api.openapi import Described
from api.pki_files import PkiFiles
from api.routes import (
    api_tokens,
    audit,
    certificate_keys,
    certificate_requests,
    certificates,
    custody,
    devices,
    extend,
    health,
    impact,
    imports,
    incidents,
    issuers,
    notices,
    organizations,
    pages,
    people,
    proofs,
    reports,
    request_routing,
    request_steps,
    request_tables,
    sign,
    sign_batches,
    sign_preflight,
    sign_together,
    stamp_templates,
    subscribers,
    trust_anchors,
    uploads,
    verifications,
    verify,
    webhooks,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from api.wiring import Wiring

ROUTERS = (
    sign_batches.router,
    sign_preflight.router,
    stamp_templates.router,
    uploads.router,
    sign.router,
    sign_together.router,
    certificate_keys.router,
    extend.router,
    verify.router,
    verifications.router,
    organizations.router,
    subscribers.router,
    custody.router,
    devices.router,
    people.router,
    request_routing.router,
    request_steps.router,
    request_tables.router,
    certificate_requests.router,
    imports.router,
    impact.router,
    notices.router,
    certificates.router,
    incidents.router,
    issuers.router,
    reports.router,
    proofs.router,
    api_tokens.router,
    trust_anchors.router,
    audit.router,
    webhooks.router,
)


def create_app(wiring: Wiring) -> ASGIApp:
    """Return the whole server as one ASGI application."""
    documents = DocumentDoor(IssuingDoor(framework(wiring), wiring), wiring)
    metered = Metered(Envelope(PkiFiles(documents, wiring)), wiring.counters)
    return OcspDoor(metered, wiring)


def framework(wiring: Wiring) -> FastAPI:
    """Return the part that FastAPI serves: REST, pages, health, OpenAPI."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = wiring.capacity.threads
        yield

    app = Described(
        title="Ấn Tín",
        version=_version(),
        description="Digital signatures and certificates for public administrations.\n\n"
        "Calls under /api/v1 need `Authorization: Bearer <token>`. Errors are RFC 9457 problems in "
        "the language of Accept-Language (vi, en) with a stable `code`. A query parameter that a "
        "call does not have is refused.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.wiring = wiring
    problems.install(app)
    v1 = APIRouter(prefix="/api/v1")
    for router in ROUTERS:
        v1.include_router(router)
    app.include_router(v1)
    app.include_router(health.router)
    app.include_router(pages.router)
    return app


def _version() -> str:
    try:
        return version("antin")
    except PackageNotFoundError:
        return "0"
