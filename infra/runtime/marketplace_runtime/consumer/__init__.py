"""Consumes events: exactly one effect per event and subscription."""

from marketplace_runtime.consumer.subscription import Reaction, on, subscription

__all__ = ["Reaction", "on", "subscription"]
