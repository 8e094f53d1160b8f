"""Dead letters: kept in a table where people inspect, redrive or discard them."""

from marketplace_runtime.dead_letters.consumer import PREFETCH, DeadLetterConsumer
from marketplace_runtime.dead_letters.entries import Redrive
from marketplace_runtime.dead_letters.routes import dead_letters

__all__ = ["PREFETCH", "DeadLetterConsumer", "Redrive", "dead_letters"]
