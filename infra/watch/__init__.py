"""Looking on: live events as they pass, and one order's story across the services."""

from infra.watch.story import Moment, moments, tell
from infra.watch.tail import Seen, tail

__all__ = ["Moment", "Seen", "moments", "tail", "tell"]
