"""One request, one transaction: committed before the answer is sent, rolled back with any error."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from marketplace_runtime.database import Database, Transaction, Verdict, verdict_on
from marketplace_runtime.http import idempotency, timeouts
from marketplace_runtime.http.body import BoundedRequest
from marketplace_runtime.http.callers import Bearer
from marketplace_runtime.http.health import Phase
from marketplace_runtime.http.problems import Conflict, Problem, Unavailable
from marketplace_runtime.resilience import Admission, Importance, Overloaded, within
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

ATTEMPTS = 3
"""How often work that lost to another transaction is done."""

_SCOPE = "marketplace.unit-of-work"

Work = Callable[[Request], Awaitable[Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class ConcurrentChange(Conflict):
    slug, title = "concurrent-change", "Another request changed the same thing at the same time"


class TooBusy(Unavailable):
    slug, title = "too-busy", "Too many requests are under way"


def promise(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that is shed last when there is too much to do: what customers came for."""
    endpoint.importance = Importance.PROMISE  # type: ignore[attr-defined] # read by its route
    return endpoint


class UnitOfWork:
    """The transaction of a request, opened when it is first asked for."""

    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self._database = database
        self._stack = stack
        self._tx: Transaction | None = None

    async def transaction(self) -> Transaction:
        if self._tx is None:
            self._tx = await self._stack.enter_async_context(self._database.transaction())
        return self._tx

    @property
    def lost_its_session(self) -> bool:
        """Whether it had begun, and its commit was not sent."""
        return self._tx is not None and not self._tx.committing


async def _transaction(request: Request) -> Transaction:
    unit: UnitOfWork = request.scope[_SCOPE]
    return await unit.transaction()


Tx = Annotated[Transaction, Depends(_transaction)]
"""The request's transaction. Reading counts too: an endpoint needs no other."""


class TransactionalRoute(APIRoute):
    """A route whose endpoint runs in a transaction and, if it is a POST, once per Idempotency-Key.

    An answer that the endpoint returns commits, whatever its status; a problem that it raises rolls back.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._importance = getattr(endpoint, "importance", _usual_importance(self))
        self._for_operators = path.startswith("/ops/")
        _refuse_unbounded_integers(self)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = super().get_route_handler()
        bearers = [each.call for each in _tree(self.dependant) if isinstance(each.call, Bearer)]
        has_body, is_post = self.body_field is not None, "POST" in (self.methods or ())
        may_have_body = not _only_reads(self)

        async def handle(received: Request) -> Response:
            request = BoundedRequest(received.scope, received.receive)
            async with timeouts.of_client(request):
                if has_body:
                    await request.json()
                elif may_have_body:  # the endpoint may ask for it, and must not wait for it in its place
                    await request.body()
                async with within(None if self._for_operators else request.app.state.timeout_s):
                    return await answer(request)

        async def answer(request: Request) -> Response:
            key = idempotency.key_of(request) if is_post else None
            if key is None:
                return await self._admitted(request, endpoint)
            caller = ""
            for bearer in bearers:
                caller = (await bearer(request)).subject
            claim = await idempotency.Claim.of(request, caller, key)

            async def once(request: Request) -> Response:
                tx = await _transaction(request)
                kept = await claim.recall(tx)
                if kept is not None:
                    return kept
                fresh = await endpoint(request)
                await claim.keep(tx, fresh)
                return fresh

            return await self._admitted(request, once)

        return handle

    async def _admitted(self, request: Request, work: Work) -> Response:
        """Do `work` unless too much is under way; a request gets this far once its body is here."""
        if request.app.state.health.phase is Phase.STARTING:
            raise Unavailable("This process is still starting; ask again in a moment.")
        admission: Admission = request.app.state.admission
        try:
            with admission.admit(self._importance):
                return await _committed(request, work)
        except Overloaded as why:
            raise TooBusy(f"{why}; ask again in a moment.") from None


class Router(APIRouter):
    """A service's routes, wired by `create_app`; each runs in a transaction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=TransactionalRoute, redirect_slashes=False, **options)


async def _committed(request: Request, work: Work) -> Response:
    """Do `work` and commit. Raises `Unavailable` where the database is away or busy: nothing was answered yet.

    A session can have died in the pool, as in a restart of the database. What fails on one before its commit was sent
    took no effect, so it is done again on a new session.
    """
    stale_sessions = 0
    for _ in range(ATTEMPTS):
        unit = None
        try:
            async with AsyncExitStack() as stack:
                request.scope[_SCOPE] = unit = UnitOfWork(request.app.state.database, stack)
                return await work(request)
        except Problem:
            raise
        except Exception as error:
            verdict = verdict_on(error)
            if verdict is Verdict.UNAVAILABLE and unit is not None and unit.lost_its_session and not stale_sessions:
                stale_sessions += 1
            elif verdict in (Verdict.UNAVAILABLE, Verdict.BUSY):
                log.warning("database unavailable", error=repr(error))
                raise Unavailable from error
            elif verdict is not Verdict.CONFLICT:
                raise
            lost_to = error
    raise ConcurrentChange("Look at what it is now, and ask again.") from lost_to


def _usual_importance(route: APIRoute) -> Importance:
    """Operators are let in when all others are not."""
    if route.path.startswith("/ops/"):
        return Importance.PROMISE
    return Importance.LOOK if _only_reads(route) else Importance.CHANGE


def _only_reads(route: APIRoute) -> bool:
    return (route.methods or set()) <= {"GET", "HEAD"}


def _tree(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for each in dependant.dependencies:
        yield from _tree(each)


def _refuse_unbounded_integers(route: APIRoute) -> None:
    """An integer in a URL needs bounds, or PostgreSQL meets one that it cannot hold. Raises TypeError."""
    for each in _tree(route.dependant):
        for field in [*each.path_params, *each.query_params]:
            annotated: Any = Annotated[field.field_info.annotation, field.field_info]
            schema = TypeAdapter[Any](annotated).json_schema()
            for choice in [schema, *schema.get("anyOf", [])]:
                if choice.get("type") == "integer" and not _is_bounded(choice):
                    raise TypeError(f"{route.path}: bound the integer {field.name!r} with ge= and le=")


def _is_bounded(schema: dict[str, Any]) -> bool:
    return not schema.keys().isdisjoint({"minimum", "exclusiveMinimum"}) and not schema.keys().isdisjoint(
        {"maximum", "exclusiveMaximum"}
    )
