"""Consumes events, with exactly one effect per event and subscription."""

from marketplace_runtime.consumer.acknowledge import acknowledge
from marketplace_runtime.consumer.decode import decode_message, reaction_to
from marketplace_runtime.consumer.delivery import SUSPECT_AFTER_DEATHS, Delivery, UnreadableMessage
from marketplace_runtime.consumer.quarantine import RunAloneGate
from marketplace_runtime.consumer.subscriptions import Reaction, Subscription, on, subscription
from marketplace_runtime.consumer.worker import Worker
from marketplace_runtime.scheduler import Reject, RetryLater

__all__ = [
    "SUSPECT_AFTER_DEATHS",
    "Delivery",
    "Reaction",
    "Reject",
    "RetryLater",
    "RunAloneGate",
    "Subscription",
    "UnreadableMessage",
    "Worker",
    "acknowledge",
    "decode_message",
    "on",
    "reaction_to",
    "subscription",
]
