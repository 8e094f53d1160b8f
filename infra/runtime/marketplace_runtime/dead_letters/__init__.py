"""Keeps dead letters in a table, where operators inspect, redrive, edit or discard them."""

from marketplace_runtime.dead_letters.consumer import PREFETCH, DeadLetterConsumer
from marketplace_runtime.dead_letters.routes import dead_letter_routes

__all__ = ["PREFETCH", "DeadLetterConsumer", "dead_letter_routes"]
