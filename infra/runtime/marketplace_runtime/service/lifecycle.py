"""Runs one service process from its start to its graceful shutdown."""

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import uvloop

from marketplace_runtime.database import (
    HANDLER_LOCK_TIMEOUT_S,
    Database,
    SchemaOutdated,
    UnsupportedPooler,
)
from marketplace_runtime.http import Authenticator, Health, Phase, create_app, listen
from marketplace_runtime.resilience import Admission
from marketplace_runtime.service.garbage_collection import freeze_heap
from marketplace_runtime.service.http_api import routers_for_operators, version_of
from marketplace_runtime.service.maintenance import run_maintenance, sample_gauges
from marketplace_runtime.service.messaging import Messaging
from marketplace_runtime.service.readiness import Readiness
from marketplace_runtime.service.service import Service
from marketplace_runtime.service.settings import Settings
from marketplace_runtime.service.startup import migrate_or_wait
from marketplace_runtime.service.sweeping import sweep
from marketplace_runtime.telemetry import configure_logging, get_logger

log = get_logger(__name__)


def run(service: Service) -> None:
    """Run `service` until SIGTERM or SIGINT, then shut it down gracefully.

    Exits with a message if the database's schema is behind, or if a connection pooler assigns
    sessions per transaction.
    """
    settings = Settings()
    configure_logging(service.name, format=settings.log_format, level=settings.log_level)
    try:
        uvloop.run(_run(service, settings))
    except (SchemaOutdated, UnsupportedPooler) as error:
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
        internal_subscriptions=service.internal_subscriptions,
        pool_size=settings.messaging_pool_size,
        lock_timeout_s=HANDLER_LOCK_TIMEOUT_S,
    )
    request_database = database.for_requests(settings.http_pool_size)
    clients: AbstractAsyncContextManager[Any] = service.clients() if service.clients else nullcontext()
    async with clients as opened_clients, _authenticator(service, settings, database) as authenticator:
        messaging = Messaging(
            service=service.name,
            subscriptions=service.subscriptions,
            database=database,
            broker_url=settings.broker_url.get_secret_value(),
            clients=opened_clients,
            replay_rate=settings.replay_rate,
        )

        readiness = Readiness(request_database, messaging.health)
        app = create_app(
            service=service.name,
            version=version_of(service),
            problem_type_prefix=service.naming.problem_type_prefix,
            database=request_database,
            routes=service.routes,
            authenticator=authenticator,
            admission=Admission(service.name, settings.http_most_at_once, slow_s=settings.http_slow_s),
            timeout_s=settings.http_timeout_s,
            health=readiness.health,
            ops=routers_for_operators(service),
        )
        # Health and metrics are served while the database is awaited and migrated.
        async with listen(app, settings.http_host, settings.ops_port):
            await migrate_or_wait(service, settings, database, stop)
            if not stop.is_set():
                http = listen(app, settings.http_host, settings.http_port)
                background = [
                    run_maintenance(database, settings.retention_days),
                    sample_gauges(request_database),
                    sweep(database, service.sweeps, settings.sweep_every_s),
                    readiness.run(),
                ]
                await _serve(http, messaging, background, readiness.health, stop)
    await request_database.close()
    await database.close()


def _authenticator(service: Service, settings: Settings, database: Database) -> Authenticator:
    """Return the verifier of tokens. It uses the database's clock, because this machine's may be wrong."""

    def clock() -> float:
        return database.now.timestamp()

    return Authenticator(settings.oidc_issuer, settings.oidc_audience or service.naming.token_audience, clock=clock)


async def _serve(
    http: AbstractAsyncContextManager[int],
    messaging: Messaging,
    background: Sequence[Coroutine[Any, Any, None]],
    health: Health,
    stop: asyncio.Event,
) -> None:
    """Serve requests and messages until `stop` is set; then finish work under way.

    Raises the error of the messaging or of a background task that fails.
    """
    drain = asyncio.Event()
    messaging_task = asyncio.create_task(messaging.run(drain))
    background_tasks = {asyncio.create_task(each) for each in background}
    stopping = asyncio.create_task(stop.wait())
    async with http as port:
        freeze_heap()
        log.info("serving", http_port=port)
        ended, _ = await asyncio.wait(
            {messaging_task, stopping, *background_tasks}, return_when=asyncio.FIRST_COMPLETED
        )
        health.phase = Phase.DRAINING
    log.info("shutting down")
    drain.set()
    for task in (stopping, *background_tasks):
        task.cancel()
    await messaging_task
    for task in ended - {stopping}:
        task.result()
