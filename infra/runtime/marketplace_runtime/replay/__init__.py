"""Replays the log stream to one subscription."""

from marketplace_runtime.replay.job import REPLAY_RATE, ReplayRunner
from marketplace_runtime.replay.routes import replay_routes

__all__ = ["REPLAY_RATE", "ReplayRunner", "replay_routes"]
