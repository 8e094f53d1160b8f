"""Answers errors with RFC 9457 problem documents."""

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from marketplace_runtime.telemetry import get_logger

_log = get_logger(__name__)


class Problem(Exception):
    """An error for the caller: a status, a slug `<part>:<name>` for the type `urn:problem:<slug>`, and a sentence."""

    def __init__(self, status: int, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.type = f"urn:problem:{slug}"
        self.detail = detail

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        title = self.type.rsplit(":", 1)[-1].replace("-", " ").capitalize()
        body = {"type": self.type, "title": title, "status": self.status, "detail": self.detail}
        return JSONResponse(body, self.status, headers, media_type="application/problem+json")


def answer_with_problems(app: FastAPI) -> None:
    """Answers every error with a problem document: `Problem`, bad input, unknown route, unhandled exception."""

    @app.exception_handler(Problem)
    async def refused(_request: Request, problem: Problem) -> JSONResponse:
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = "/".join(str(step) for step in first["loc"])
        return Problem(422, "outside:invalid", f"{where}: {first['msg']}").response()

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
        return Problem(error.status_code, f"outside:{slug}", str(error.detail)).response()

    @app.exception_handler(Exception)
    async def unhandled(_request: Request, error: Exception) -> JSONResponse:
        _log.error("unhandled exception", exc_info=error)
        return Problem(500, "outside:unforeseen", "An unexpected error occurred. See the log.").response()
