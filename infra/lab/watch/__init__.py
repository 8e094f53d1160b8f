"""Observes a running stack: live events, the history of one order, and the metrics of all services once a second."""

from infra.lab.watch.figures import Figures, parse, together
from infra.lab.watch.sampler import Sampler, look
from infra.lab.watch.samples import Samples
from infra.lab.watch.story import Moment, moments, tell
from infra.lab.watch.tail import Seen, tail

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
