"""Tests consumers: use cases without servers, a service with real servers, and a subscription's conformance.

then = await given(SERVICE, an_order()).when(OrderConfirmedV1(...))
assert then.published == [ShipmentScheduledV1(...)]

await assert_conforms(servers, SERVICE, "orders", events)
"""

from marketplace_runtime.testing.conformance import assert_conforms
from marketplace_runtime.testing.harness import ServiceHarness
from marketplace_runtime.testing.harness_setup import service_harness
from marketplace_runtime.testing.in_memory_transaction import InMemoryTransaction
from marketplace_runtime.testing.scenario import Given, Then, given
from marketplace_runtime.testing.servers import Servers
from marketplace_runtime.testing.trial import ConformanceError

__all__ = [
    "ConformanceError",
    "Given",
    "InMemoryTransaction",
    "Servers",
    "ServiceHarness",
    "Then",
    "assert_conforms",
    "given",
    "service_harness",
]
