"""Observes a running stack: live events, the history of one order, and the metrics of all services once a second."""

from infra.lab.watch.figures import Figures, combine_replicas, parse
from infra.lab.watch.order_history import HistoryEntry, collect_history, merge_histories
from infra.lab.watch.sampler import Sampler, take_sample
from infra.lab.watch.samples import Samples
from infra.lab.watch.tail import TailedMessage, tail

__all__ = [
    "Figures",
    "HistoryEntry",
    "Sampler",
    "Samples",
    "TailedMessage",
    "collect_history",
    "combine_replicas",
    "merge_histories",
    "parse",
    "tail",
    "take_sample",
]
