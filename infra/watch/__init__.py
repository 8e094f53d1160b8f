"""Looking on: live events as they pass, one order's story, and everybody's figures, once a second."""

from infra.watch.figures import Figures, parse, together
from infra.watch.sampler import Sampler, look
from infra.watch.samples import Samples
from infra.watch.story import Moment, moments, tell
from infra.watch.tail import Seen, tail

__all__ = [
    "Figures",
    "Moment",
    "Sampler",
    "Samples",
    "Seen",
    "look",
    "moments",
    "parse",
    "tail",
    "tell",
    "together",
]
