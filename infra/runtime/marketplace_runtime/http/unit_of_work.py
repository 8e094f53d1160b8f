"""Runs each request in one transaction, which commits before the answer is sent and rolls back on any error."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from marketplace_runtime.database import Database, ErrorKind, Transaction, classify_error
from marketplace_runtime.http import idempotency, timeouts
from marketplace_runtime.http.body import BoundedRequest
from marketplace_runtime.http.caching import cache_policy_of, conditional
from marketplace_runtime.http.health import Phase
from marketplace_runtime.http.problems import Conflict, Problem, Unavailable
from marketplace_runtime.http.route_checks import bearers_of, check_route
from marketplace_runtime.resilience import Admission, Overloaded, Priority, within
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

ATTEMPTS = 3
"""Maximum attempts for a request whose transaction conflicts with another one or had a dead session."""

_SCOPE_KEY = "marketplace.unit-of-work"

Work = Callable[[Request], Awaitable[Response]]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class ConcurrentChange(Conflict):
    slug, title = "concurrent-change", "Another request changed the same thing at the same time"


class TooBusy(Unavailable):
    slug, title = "too-busy", "Too many requests are under way"


def shed_last(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint as shed last under overload: it does what the service exists for, such as a checkout."""
    endpoint.priority = Priority.CRITICAL  # type: ignore[attr-defined] # read by its route
    return endpoint


class UnitOfWork:
    """Holds the transaction of a request, which it opens on first use."""

    def __init__(self, database: Database, stack: AsyncExitStack) -> None:
        self._database = database
        self._stack = stack
        self._tx: Transaction | None = None

    async def transaction(self) -> Transaction:
        if self._tx is None:
            self._tx = await self._stack.enter_async_context(self._database.transaction())
        return self._tx

    @property
    def is_uncommitted(self) -> bool:
        """Whether the transaction had begun and its commit was not sent."""
        return self._tx is not None and not self._tx.committing


async def _transaction(request: Request) -> Transaction:
    unit: UnitOfWork = request.scope[_SCOPE_KEY]
    return await unit.transaction()


Tx = Annotated[Transaction, Depends(_transaction)]
"""The request's transaction, for reads as well: an endpoint needs no other."""


class TransactionalRoute(APIRoute):
    """A route whose endpoint runs in a transaction. A POST takes effect once per Idempotency-Key.

    If the endpoint returns an answer, the transaction commits, whatever the status. If it raises a problem, the
    transaction rolls back.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._priority = getattr(endpoint, "priority", _default_priority(self))
        self._for_operators = path.startswith("/ops/")
        check_route(self)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint = super().get_route_handler()
        bearers = bearers_of(self)
        has_body, is_post = self.body_field is not None, "POST" in (self.methods or ())
        may_have_body = not _is_read_only(self)

        async def handle(received: Request) -> Response:
            request = BoundedRequest(received.scope, received.receive)
            async with timeouts.limit_to_client_timeout(request):
                if has_body:
                    await request.json()
                elif may_have_body:  # before admission: a request that waits for its body must not count as active
                    await request.body()
                async with within(None if self._for_operators else request.app.state.timeout_s):
                    return await answer(request)

        async def answer(request: Request) -> Response:
            key = idempotency.key_of(request) if is_post else None
            if key is None:
                return await self._run_admitted(request, endpoint)
            caller = ""
            for bearer in bearers:
                caller = (await bearer(request)).subject
            idempotent_request = await idempotency.IdempotentRequest.of(request, caller, key)

            async def run_once(request: Request) -> Response:
                tx = await _transaction(request)
                stored = await idempotent_request.find_answer(tx)
                if stored is not None:
                    return stored
                fresh = await endpoint(request)
                await idempotent_request.store_answer(tx, fresh)
                return fresh

            return await self._run_admitted(request, run_once)

        policy = cache_policy_of(self.endpoint)
        return handle if policy is None else conditional(handle, policy)

    async def _run_admitted(self, request: Request, work: Work) -> Response:
        """Run `work`. The request's body has been read already, so that only complete requests count as active.

        Raises `Unavailable` while the process is starting, and `TooBusy` if too many requests are active.
        """
        if request.app.state.health.phase is Phase.STARTING:
            raise Unavailable("This process is still starting; retry in a moment.")
        admission: Admission = request.app.state.admission
        try:
            with admission.admit(self._priority):
                return await _run_and_commit(request, work)
        except Overloaded as why:
            raise TooBusy(f"{why}; retry in a moment.") from None


class Router(APIRouter):
    """Holds a service's routes, each of which runs in a transaction. `create_app` wires them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=TransactionalRoute, redirect_slashes=False, **options)


async def _run_and_commit(request: Request, work: Work) -> Response:
    """Run `work` and commit; no answer is sent before.

    A pooled session can have died, for example when the database restarted. Work that failed on it before its commit
    was sent had no effect, so it is repeated once on a new session. Work that conflicts with another transaction is
    repeated, too.

    Raises `Unavailable` if the database is unavailable or busy, and `ConcurrentChange` after 3 attempts.
    """
    stale_sessions = 0
    for _ in range(ATTEMPTS):
        unit = None
        try:
            async with AsyncExitStack() as stack:
                request.scope[_SCOPE_KEY] = unit = UnitOfWork(request.app.state.database, stack)
                return await work(request)
        except Problem:
            raise
        except Exception as error:
            kind = classify_error(error)
            if kind is ErrorKind.UNAVAILABLE and unit is not None and unit.is_uncommitted and not stale_sessions:
                stale_sessions += 1
            elif kind in (ErrorKind.UNAVAILABLE, ErrorKind.BUSY):
                log.warning("database unavailable or too slow", error=repr(error))
                raise Unavailable from error
            elif kind is not ErrorKind.CONFLICT:
                raise
            last_error = error
    raise ConcurrentChange("Read the current state, then retry.") from last_error


def _default_priority(route: APIRoute) -> Priority:
    """Return the default priority of a route. Operator routes get the highest, so that they are refused last."""
    if route.path.startswith("/ops/"):
        return Priority.CRITICAL
    return Priority.READ if _is_read_only(route) else Priority.WRITE


def _is_read_only(route: APIRoute) -> bool:
    return (route.methods or set()) <= {"GET", "HEAD"}
