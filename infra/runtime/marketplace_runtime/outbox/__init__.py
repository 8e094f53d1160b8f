"""Publishes the events that a service committed with its state."""

from marketplace_runtime.outbox.relay import Relay

__all__ = ["Relay"]
