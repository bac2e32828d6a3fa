"""`/healthz`, `/readyz`, `/metrics`: is the process alive, can it work, and how does it fare."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from api import metrics
from api.wiring import Wiring

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """Each part and how it is: `ok`, or what is wrong."""

    status: str
    parts: dict[str, str] = {}


def wiring_of(request: Request) -> Wiring:
    """Return the wiring, for calls without a login."""
    wiring: Wiring = request.app.state.wiring
    return wiring


@router.get("/healthz")
def alive() -> Health:
    """Say that the process answers; nothing else is asked."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "A part is not ready"}})
def ready(wiring: Annotated[Wiring, Depends(wiring_of)]) -> JSONResponse:
    """Say whether database, tables, keys and authorities can be used now."""
    parts = wiring.readiness()
    fine = all(state == "ok" for state in parts.values())
    health = Health(status="ok" if fine else "not ready", parts=parts)
    return JSONResponse(health.model_dump(), status_code=200 if fine else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Figures for Prometheus"}},
)
def measured(wiring: Annotated[Wiring, Depends(wiring_of)]) -> Response:
    """Give the figures of all processes of this server, and of the database."""
    return Response(metrics.render(wiring), media_type=metrics.MEDIA_TYPE)
