"""The domain rules of webhooks. Uses the standard library only."""

from notifications.webhooks.domain.deliveries import Answer, Delivery, Policy, State, pause
from notifications.webhooks.domain.endpoints import (
    MAX_MISSED_EVENTS,
    Disabled,
    DisabledReason,
    Endpoint,
    EndpointChange,
    TurnScheduled,
    matches,
    new_secret,
)
from notifications.webhooks.domain.targets import BadTarget, Target, is_public, target_of

__all__ = [
    "MAX_MISSED_EVENTS",
    "Answer",
    "BadTarget",
    "Delivery",
    "Disabled",
    "DisabledReason",
    "Endpoint",
    "EndpointChange",
    "Policy",
    "State",
    "Target",
    "TurnScheduled",
    "is_public",
    "matches",
    "new_secret",
    "pause",
    "target_of",
]
