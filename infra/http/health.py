"""Is it alive, is it ready, how is it doing: for supervisors and Prometheus, without a token."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from infra.telemetry import metrics

Readiness = Callable[[], Awaitable[dict[str, str]]]
"""The state of each thing that the service needs; `ok` where it is well."""

router = APIRouter(include_in_schema=False)


@router.get("/livez")
async def livez() -> Response:
    """The process answers: restarting it would not help."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether every part is `ok`; 503 and what is not, otherwise."""
    readiness: Readiness = request.app.state.readiness
    parts = await readiness()
    well = all(state == "ok" for state in parts.values())
    return JSONResponse(parts, 200 if well else 503)


@router.get("/metrics")
async def exposed() -> Response:
    return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
