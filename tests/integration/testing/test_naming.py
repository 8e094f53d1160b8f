"""An application with another name has its own exchanges, log stream and schema, and none of the marketplace's."""

from dataclasses import replace
from uuid import uuid4

import catalog.service
from contracts import Money
from contracts.cart import Line
from contracts.checkout import OrderPlacedV1
from marketplace_runtime.events import Naming
from marketplace_runtime.testing import Servers, service_harness
from marketplace_runtime.testing.harness import until

SHOP = Naming(
    "shop",
    "shop.everything",
    "urn:problem:shop:",
    "shoppers",
    events="facts",
    dead_letters="lost",
    database_schema="bus",
)
SCHEMAS = "select count(*) from information_schema.tables where table_schema = $1 and table_name = 'inbox'"


async def test_a_service_of_another_application_uses_that_applications_names(servers: Servers) -> None:
    service = replace(catalog.service.SERVICE, name="catalog", naming=SHOP)
    line = Line(product_id=uuid4(), quantity=1, unit_price=Money(amount=700, currency="EUR"))
    order = OrderPlacedV1(order_id=uuid4(), customer_id="ada", lines=[line], total=line.unit_price)
    async with service_harness(servers, service) as harness:
        messaging = await harness.start()
        await harness.publish(order)

        async def handled() -> bool:
            return await harness.count("select count(*) from bus.inbox") == 1

        await until(handled)
        await harness.wait_until_settled()
        assert [type for type, _ in await harness.published()] == ["catalog.stock-rejected.v1"]
        assert await harness.count("select count(*) from bus.outbox") == 1
        assert await harness.count("select count(*) from bus.outbox_pending") == 0, (
            "its relay has not published the event"
        )
        assert await harness.count(SCHEMAS, "bus") == 1
        assert "catalog.lost" in messaging.health()
        for exchange in ("catalog.facts", "catalog.lost"):
            await servers.manage("GET", f"exchanges/%2F/{exchange}")
        await servers.manage("GET", "queues/%2F/shop.everything")
