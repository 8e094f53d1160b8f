"""Tests consumers: use cases without servers, a service with real servers, and a subscription's conformance.

then = await given(SERVICE, an_order()).when(OrderConfirmedV1(...))
assert then.said == [ShipmentScheduledV1(...)]

await conforms(servers, SERVICE, "orders", events)
"""

from marketplace_runtime.testing.bench import Bench
from marketplace_runtime.testing.bench_setup import on_a_bench
from marketplace_runtime.testing.conformance import conforms
from marketplace_runtime.testing.memory import Memory
from marketplace_runtime.testing.scenario import Given, Then, given
from marketplace_runtime.testing.servers import Servers
from marketplace_runtime.testing.trial import Broken

__all__ = ["Bench", "Broken", "Given", "Memory", "Servers", "Then", "conforms", "given", "on_a_bench"]
