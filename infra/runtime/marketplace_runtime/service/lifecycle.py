"""From start to graceful end of one service process."""

import asyncio
import random
import signal
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from math import nan
from typing import Any

import uvloop

from marketplace_runtime.database import (
    LOCK_TIMEOUT_S,
    Database,
    SchemaBehind,
    SharedSessions,
    drop_partitions,
    is_passing,
    is_unavailable,
    make_partitions,
    migrate_in_a_process_of_its_own,
    require_current,
    require_own_sessions,
)
from marketplace_runtime.dead_letters import Redrive, dead_letters
from marketplace_runtime.dead_letters import actions as redrive
from marketplace_runtime.dead_letters import metrics as dead_letters_metrics
from marketplace_runtime.http import Health, Identity, Phase, create_app, idempotency_table, listen
from marketplace_runtime.outbox import metrics as outbox_metrics
from marketplace_runtime.outbox import routes as republish
from marketplace_runtime.replay import feeding
from marketplace_runtime.resilience import Admission
from marketplace_runtime.scheduler import metrics as scheduler_metrics
from marketplace_runtime.service import operator_queries as storage_ops
from marketplace_runtime.service import operator_routes, story
from marketplace_runtime.service.heap import settle_heap
from marketplace_runtime.service.messaging import Messaging
from marketplace_runtime.service.readiness import Readiness
from marketplace_runtime.service.service import Service
from marketplace_runtime.service.settings import Settings
from marketplace_runtime.service.sweeping import sweep
from marketplace_runtime.telemetry import configure_logging, get_logger

log = get_logger(__name__)

TIDY_S, TIDY_AGAIN_S = 3600.0, 1.0
GAUGES_S = 1.0
GAUGES_WITHIN_S = 3.0
GAUGES = {
    "pending": outbox_metrics.outbox_pending,
    "oldest_s": outbox_metrics.outbox_oldest,
    "scheduled": scheduler_metrics.scheduled_pending,
    "dead": dead_letters_metrics.dead_letters,
    "retrying": scheduler_metrics.retries_pending,
    "retrying_oldest_s": scheduler_metrics.retries_oldest,
}
PROBE_CAP_S = 2.0


def run(service: Service) -> None:
    """Run `service` until SIGTERM or SIGINT, then shut it down gracefully."""
    settings = Settings()
    configure_logging(service.name, format=settings.log_format, level=settings.log_level)
    try:
        uvloop.run(_run(service, settings))
    except (SchemaBehind, SharedSessions) as error:
        raise SystemExit(f"{service.name} cannot start. {error}") from None


async def _run(service: Service, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    database = Database(
        settings.database_url.get_secret_value(),
        source=service.name,
        naming=service.naming,
        listeners=service.listeners,
        pool_size=settings.messaging_pool_size,
        lock_timeout_s=LOCK_TIMEOUT_S,
    )
    for_requests = database.for_requests(settings.http_pool_size)
    outside: AbstractAsyncContextManager[Any] = service.outside() if service.outside else nullcontext()
    async with outside as opened, _identity(service, settings, database) as identity:
        messaging = Messaging(
            service=service.name,
            subscriptions=service.hears,
            database=database,
            broker_url=settings.broker_url.get_secret_value(),
            outside=opened,
            replay_rate=settings.replay_rate,
        )

        readiness = Readiness(for_requests, messaging.health)
        app = create_app(
            service=service.name,
            version=_version(service.naming.application),
            problem_types=service.naming.problem_types,
            database=for_requests,
            routes=service.routes,
            identity=identity,
            admission=Admission(service.name, settings.http_most_at_once, slow_s=settings.http_slow_s),
            timeout_s=settings.http_timeout_s,
            health=readiness.health,
            ops=[
                operator_routes.router,
                republish.router,
                story.router,
                dead_letters(Redrive(service.hears)),
                feeding(service.hears),
                *([operator_routes.rebuilding(service.rebuild)] if service.rebuild else []),
            ],
        )
        async with listen(app, settings.http_host, settings.ops_port):
            await _migrate(service, settings, database, stop)
            if not stop.is_set():
                http = listen(app, settings.http_host, settings.http_port, shared=True)
                background = [
                    tend(database, settings.retention_days),
                    measure(for_requests),
                    sweep(database, service.sweeps, settings.sweep_every_s),
                    readiness.run(),
                ]
                await _serve(http, messaging, background, readiness.health, stop)
    await for_requests.close()
    await database.close()


def _identity(service: Service, settings: Settings, database: Database) -> Identity:
    """Tokens are judged by the database's clock, too: this machine's may be wrong."""

    def clock() -> float:
        return database.now.timestamp()

    return Identity(settings.oidc_issuer, settings.oidc_audience or service.naming.token_audience, clock=clock)


async def _serve(
    http: AbstractAsyncContextManager[int],
    messaging: Messaging,
    background: Sequence[Coroutine[Any, Any, None]],
    health: Health,
    stop: asyncio.Event,
) -> None:
    """Serve requests and messages until `stop` is set; then finish what is under way. Raises if a part fails."""
    drain = asyncio.Event()
    working = asyncio.create_task(messaging.run(drain))
    beside = {asyncio.create_task(each) for each in background}
    stopping = asyncio.create_task(stop.wait())
    async with http as port:
        settle_heap()
        log.info("serving", http_port=port)
        ended, _ = await asyncio.wait({working, stopping, *beside}, return_when=asyncio.FIRST_COMPLETED)
        health.phase = Phase.DRAINING
    log.info("shutting down")
    drain.set()
    for task in (stopping, *beside):
        task.cancel()
    await working
    for task in ended - {stopping}:
        task.result()


async def _migrate(service: Service, settings: Settings, database: Database, stop: asyncio.Event) -> None:
    """Migrate, or make sure that somebody did; wait for the database where it is away.

    Raises `SchemaBehind`, and `SharedSessions` where no wait will help.
    """
    app_url = settings.database_url.get_secret_value()
    attempt = 0
    while not stop.is_set():
        try:
            await require_own_sessions(database)
            await require_current(app_url, service.migrations, service.naming.database_schema)
            await database.read_clock()
            return
        except SchemaBehind:
            if settings.migration_database_url is None:
                raise
            owner_url = settings.migration_database_url.get_secret_value()
            await migrate_in_a_process_of_its_own(
                owner_url,
                app_url=app_url,
                migrations=service.migrations,
                schema=service.naming.database_schema,
            )
        except Exception as error:
            if not is_unavailable(error):
                raise
            attempt += 1
            log.warning("waiting for the database", error=repr(error), attempt=attempt)
            await asyncio.sleep(random.uniform(0, min(PROBE_CAP_S, 0.1 * 2**attempt)))  # noqa: S311 - jitter


async def tend(database: Database, retention_days: int) -> None:
    """Keep partitions ahead of time and drop what is old, for as long as the process lives."""
    while True:
        is_tidy = await _is_done(_tidy(database, retention_days))
        await asyncio.sleep(TIDY_S if is_tidy else TIDY_AGAIN_S)


async def measure(database: Database) -> None:
    """Keep the gauges and the clock current, for as long as the process lives."""
    while True:
        if not await _is_done(_measure(database)):
            for gauge in GAUGES.values():
                gauge.set(nan)  # what nobody can know is not what it was before
        await asyncio.sleep(GAUGES_S)


async def _is_done(work: Coroutine[Any, Any, None]) -> bool:
    """Do it; False, and said so, where that has to wait for the database."""
    try:
        await work
    except Exception as error:
        if not is_passing(error):
            raise
        log.warning("maintenance put off: database away, in conflict or too slow", error=repr(error))
        return False
    return True


async def _tidy(database: Database, retention_days: int) -> None:
    async with database.transaction() as tx:
        await make_partitions(tx)
    await drop_partitions(database, retention_days)
    await redrive.forget_settled(database, retention_days)
    await idempotency_table.forget_old(database, retention_days)


async def _measure(database: Database) -> None:
    async with asyncio.timeout(GAUGES_WITHIN_S), database.transaction() as tx:
        await tx.clock.read(tx)
        counts = await storage_ops.counts_now(tx)
    for name, gauge in GAUGES.items():
        gauge.set(counts[name])


def _version(application: str) -> str:
    try:
        return version(application)
    except PackageNotFoundError:  # run from a checkout
        return "0.1.0"
