"""Events over RabbitMQ: exactly one effect per event and subscription, whatever is killed in between."""

from infra.messaging import admin
from infra.messaging.errors import Invalid, Reject, RetryLater, TopologyDiffers
from infra.messaging.history import REPLAY_RATE
from infra.messaging.messaging import Messaging
from infra.messaging.plan import Difference, Remedy, differences, plan
from infra.messaging.redrive import Redrive
from infra.messaging.topology import Definitions, Wiring, definitions
from infra.messaging.wiring import Reaction, Subscription, on, subscription

__all__ = [
    "REPLAY_RATE",
    "Definitions",
    "Difference",
    "Invalid",
    "Messaging",
    "Reaction",
    "Redrive",
    "Reject",
    "Remedy",
    "RetryLater",
    "Subscription",
    "TopologyDiffers",
    "Wiring",
    "admin",
    "definitions",
    "differences",
    "on",
    "plan",
    "subscription",
]
