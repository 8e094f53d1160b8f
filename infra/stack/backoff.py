"""Computes the delay before a crashed part is restarted."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Exponential backoff with full jitter. It starts over after a part has run for `stable_after_s` seconds.

    Each delay is `base_s` (0.5 s) plus the jitter, so that a part that fails at once is not restarted in a busy loop.
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    stable_after_s: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    _failures: int = 0

    def next_delay_s(self, uptime_s: float) -> float:
        """Return the delay in seconds before the next start of a part that ran for `uptime_s` seconds."""
        if uptime_s >= self.stable_after_s:
            self._failures = 0
        ceiling = min(self.cap_s, self.base_s * 2 ** min(self._failures, 16))
        self._failures += 1
        return self.base_s + self.rng.uniform(0, ceiling)

    def reset(self) -> None:
        """Start over with the shortest delay, because a person started the part."""
        self._failures = 0
