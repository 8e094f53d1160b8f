"""Events over RabbitMQ: exactly one effect per event and subscription, whatever is killed in between."""

from infra.messaging import admin
from infra.messaging.errors import Invalid, Reject, RetryLater, TopologyDiffers
from infra.messaging.messaging import Messaging
from infra.messaging.redrive import Redrive
from infra.messaging.topology import Definitions, Wiring, definitions, differences
from infra.messaging.wiring import Reaction, Subscription, on, subscription

__all__ = [
    "Definitions",
    "Invalid",
    "Messaging",
    "Reaction",
    "Redrive",
    "Reject",
    "RetryLater",
    "Subscription",
    "TopologyDiffers",
    "Wiring",
    "admin",
    "definitions",
    "differences",
    "on",
    "subscription",
]
