"""For whoever writes a consumer: its use cases without servers, the service with real ones, and a conformance test.

then = await given(SERVICE, an_order()).when(OrderConfirmedV1(...))
assert then.said == [ShipmentScheduledV1(...)]

await conforms(servers, SERVICE, "orders", events)
"""

from infra.testing.bench import Bench, Servers, on_a_bench, servers
from infra.testing.conformance import Broken, conforms
from infra.testing.memory import Memory
from infra.testing.scenario import Given, Then, given

__all__ = ["Bench", "Broken", "Given", "Memory", "Servers", "Then", "conforms", "given", "on_a_bench", "servers"]
