"""Runs one service as a real process with a real broker, a real database and the stand-ins."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aio_pika
import aiohttp
import asyncpg

from contracts import Envelope, Event
from contracts.naming import MARKETPLACE
from infra.stack import PrivateBroker, PrivatePostgres
from marketplace_runtime.amqp import open_channel, properties_of
from marketplace_runtime.database import new_id
from marketplace_runtime.service import Service
from marketplace_runtime.testing.harness import until
from marketplace_runtime.topology import Wiring, apply, definitions
from tests.integration.brokers import reset_broker
from tests.integration.outside.outside_process import SECRET, OutsideProcess, free_port

ROOT = Path(__file__).parents[3]
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Running:
    """The process, with helpers to reach its broker, database, API and stand-ins."""

    service: Service
    broker: PrivateBroker
    database: asyncpg.Pool
    outside: OutsideProcess
    http: aiohttp.ClientSession
    environment: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", self.service.name, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        await until(self._ready)

    async def kill(self) -> None:
        if self.process is None:
            return
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, self.log.read_text()[-4000:]
        try:
            async with self.http.get("/readyz") as answer:
                return answer.ok
        except aiohttp.ClientError:
            return False

    async def publish(self, event: Event, id: UUID | None = None) -> UUID:
        """Publish an event as the service that owns it does. Returns its id."""
        envelope = Envelope(id or new_id(), event.type, event.publisher, event.subject, datetime.now(UTC), TRACEPARENT)
        async with await aio_pika.connect(self.broker.urls.amqp_of(event.publisher, f"{event.publisher}-secret")) as c:
            channel = await open_channel(c, confirms=True)
            await channel.basic_publish(
                event.model_dump_json(exclude_none=True).encode(),
                exchange=f"{event.publisher}.events",
                routing_key=event.type,
                properties=properties_of(envelope, user=event.publisher),
            )
        return envelope.id

    async def published(self, subject: object) -> list[str]:
        """Return the names of the events that the service published about `subject`, in order; versions count once."""
        rows = await self.database.fetch(
            "select distinct on (event_id) type from messaging.outbox where subject = $1 order by event_id",
            str(subject),
        )
        return [row["type"].split(".")[1] for row in rows]

    async def until_published(self, subject: object, *types: str, within_s: float = 30) -> list[str]:
        """Wait until the service published one of `types` about `subject`. Returns all that it published."""

        async def there() -> bool:
            return not set(types).isdisjoint(await self.published(subject))

        try:
            await until(there, within_s)
        except TimeoutError:
            published, log = await self.published(subject), self.log.read_text()[-4000:]
            raise AssertionError(
                f"{' or '.join(types)} was not published about {subject}, only {published}\n{log}"
            ) from None
        return await self.published(subject)

    async def until_idle(self) -> None:
        """Wait until the outbox is empty and the schedule holds nothing but deadlines."""

        async def idle() -> bool:
            waiting = await self.database.fetchval(
                "select (select count(*) from messaging.scheduled where due < now() + interval '1 minute')"
                " + (select count(*) from messaging.outbox_pending)"
            )
            return bool(waiting == 0)

        await until(idle)

    async def token(self, subject: str, *roles: str) -> dict[str, str]:
        """Return an `Authorization` header for the subject."""
        async with (
            aiohttp.ClientSession(self.outside.url) as http,
            http.post("/identity/token", json={"sub": subject, "roles": roles}) as answer,
        ):
            return {"Authorization": f"Bearer {(await answer.json())['access_token']}"}

    async def request(self, method: str, path: str, body: object = None, *, by: str | None = None) -> tuple[int, Any]:
        """Send one request as the person `by`, if given. Returns the status and the JSON of the answer."""
        headers = await self.token(by) if by else {}
        async with self.http.request(method, path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None) if answer.status != 204 else None

    async def set_dial(self, part: str, **dial: float) -> None:
        """Set a dial of a stand-in; assert that it is accepted."""
        async with (
            aiohttp.ClientSession(self.outside.url) as http,
            http.put(f"/dials/{part}", json=dial) as answer,
        ):
            assert answer.ok, await answer.text()

    async def outside_json(self, path: str) -> Any:
        """Return the JSON of a stand-in's answer; assert that it succeeds."""
        async with aiohttp.ClientSession(self.outside.url) as http, http.get(path) as answer:
            assert answer.ok
            return await answer.json()

    async def outside_text(self, path: str) -> str:
        """Return the text of a stand-in's answer; assert that it succeeds."""
        async with aiohttp.ClientSession(self.outside.url) as http, http.get(path) as answer:
            assert answer.ok
            return await answer.text()


@asynccontextmanager
async def running(
    service: Service,
    *,
    neighbours: Sequence[str],
    broker: PrivateBroker,
    postgres: PrivatePostgres,
    directory: Path,
    **settings: str,
) -> AsyncIterator[Running]:
    """Start `python -m <service>` with a migrated database and declared queues, and stop it afterwards.

    The broker is reset first, since a topology is compared with all that the broker has.
    """
    await reset_broker(broker)
    urls = await postgres.create_database(service.name)
    outside = OutsideProcess(directory / "outside")
    port, ops_port = free_port(), free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": urls.app,
        "MIGRATION_DATABASE_URL": urls.owner,
        "HTTP_PORT": str(port),
        "OPS_PORT": str(ops_port),
        "OIDC_ISSUER": f"{outside.url}/identity",
        "CARRIER_A_URL": f"{outside.url}/carriers/a",
        "CARRIER_B_URL": f"{outside.url}/carriers/b",
        "CARRIER_WEBHOOK_SECRET": SECRET,
        "DELIVERY_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(outside.smtp_port),
        **settings,
    }
    async with (
        outside,
        asyncpg.create_pool(urls.superuser, min_size=1, max_size=2) as database,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        names = [service.name, *neighbours]
        wirings = [service.wiring(), *(Wiring(name, {}) for name in neighbours)]
        await apply.declare(
            broker.urls.management, definitions(wirings, {name: f"{name}-secret" for name in names}, MARKETPLACE)
        )
        environment["BROKER_URL"] = broker.urls.amqp_of(service.name, f"{service.name}-secret")
        world = Running(service, broker, database, outside, http, environment, directory / f"{service.name}.log")
        try:
            await world.start()
            yield world
        finally:
            await world.kill()
