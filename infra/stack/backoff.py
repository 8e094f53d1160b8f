"""How long to wait before what crashed is started again."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Doubling delays with full jitter, from the start again after a life of `stable_after_s`.

    At least half a second, so that what fails at once does not spin.
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    stable_after_s: float = 30.0
    chance: random.Random = field(default_factory=random.Random)
    _failures: int = 0

    def after(self, lived_s: float) -> float:
        """The delay before the next start, for a part that lived `lived_s`."""
        if lived_s >= self.stable_after_s:
            self._failures = 0
        ceiling = min(self.cap_s, self.base_s * 2 ** min(self._failures, 16))
        self._failures += 1
        return self.base_s + self.chance.uniform(0, ceiling)

    def forget(self) -> None:
        """Begin with the shortest delay again: a person started it."""
        self._failures = 0
