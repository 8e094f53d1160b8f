"""Sets up a harness: an empty database, empty queues, and answers to external calls."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from marketplace_runtime.database import make_partitions, migrate
from marketplace_runtime.service import Service
from marketplace_runtime.testing.harness import ServiceHarness
from marketplace_runtime.testing.servers import PASSWORD, Servers
from marketplace_runtime.topology import Wiring, apply, definitions


@asynccontextmanager
async def service_harness(
    servers: Servers, service: Service, *, answer: Callable[[Any], Any] | None = None
) -> AsyncIterator[ServiceHarness]:
    """Yield a harness of the service with an empty database and empty queues, not started yet.

    Its external calls get `answer(request)`. On exit the service is crashed.
    """
    publishers = sorted({type.split(".")[0] for each in service.subscriptions for type in each.types} - {service.name})
    wirings = [service.wiring(), *(Wiring(name, {}) for name in publishers)]
    passwords = {each.service: PASSWORD for each in wirings}
    naming = service.naming
    own_queues = [naming.queue(service.name, name) for name in service.wiring().subscriptions]
    for queue in (naming.log_stream, naming.dead_letter_name(service.name), *own_queues):
        await servers.manage("DELETE", f"queues/%2F/{queue}", missing_ok=True)
    await apply.declare(servers.management, definitions(wirings, passwords, naming))
    owner_url, app_url = await servers.create_database(f"{service.name}_harness")
    await migrate(owner_url, app_url=app_url, migrations=service.migrations, schema=naming.database_schema)
    harness = ServiceHarness(_with_answers(service, answer), servers, owner_url=owner_url, app_url=app_url)
    async with harness.transaction() as tx:
        await make_partitions(tx)
    await harness.empty()
    try:
        yield harness
    finally:
        await harness.crash()


def _with_answers(service: Service, answer: Callable[[Any], Any] | None) -> Service:
    async def call(request: Any, _: Any) -> Any:
        if answer is None:
            raise LookupError(f"no answer to the external call {request!r}: pass `answer` to the harness")
        return answer(request)

    return replace(
        service,
        subscriptions=[
            replace(
                each,
                reactions={
                    type: replace(reaction, call=reaction.call and replace(reaction.call, call=call))
                    for type, reaction in each.reactions.items()
                },
            )
            for each in service.subscriptions
        ],
    )
