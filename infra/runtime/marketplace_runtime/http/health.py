"""Serves liveness, readiness and metrics to supervisors and Prometheus, without a token."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from marketplace_runtime.telemetry import EXPOSITION_CONTENT_TYPE, exposition


class Phase(StrEnum):
    """The phases of a process's life. Only a ready process should receive requests."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass
class Health:
    """Holds the state of a process that `/readyz` reports."""

    components: Callable[[], Awaitable[dict[str, str]]]
    """Returns the state of each component that the service depends on: `ok`, or what is wrong with it."""
    phase: Phase = Phase.READY


router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> Response:
    """Report that the process is alive. As long as it answers, a restart would not help."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request, *, components: bool = True) -> Response:
    """Report the state of every component, with 503 only while the process is starting or draining.

    A replica stays in rotation while its database or broker is unavailable: all replicas share them, and many requests
    need neither. With `components=no` the answer does not wait for them, for frequent checks by a gateway.
    """
    health: Health = request.app.state.health
    document = {"status": health.phase, **(await health.components() if components else {})}
    return JSONResponse(document, 200 if health.phase is Phase.READY else 503)


@router.get("/metrics")
async def metrics() -> Response:
    return Response(exposition(), headers={"Content-Type": EXPOSITION_CONTENT_TYPE})
