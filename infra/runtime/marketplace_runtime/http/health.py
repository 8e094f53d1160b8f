"""Is it alive, is it ready, how is it doing: for supervisors and Prometheus, without a token."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from marketplace_runtime.telemetry import CONTENT_TYPE, exposition


class Phase(StrEnum):
    """The phase of a process's life. Only a ready process should receive requests."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass
class Health:
    """What `/readyz` reports about a process."""

    components: Callable[[], Awaitable[dict[str, str]]]
    """Returns the state of each component that the service depends on: `ok`, or what is wrong with it."""
    phase: Phase = Phase.READY


router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> Response:
    """The process answers: restarting it would not help."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """503 only while the process is starting or draining; always with the state of every component.

    A replica whose database or broker is away stays in rotation: all replicas share them, and many requests are
    answered without them.
    """
    health: Health = request.app.state.health
    document = {"status": health.phase, **await health.components()}
    return JSONResponse(document, 200 if health.phase is Phase.READY else 503)


@router.get("/metrics")
async def exposed() -> Response:
    return Response(exposition(), headers={"Content-Type": CONTENT_TYPE})
