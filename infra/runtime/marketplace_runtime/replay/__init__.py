"""Replays the log stream to one subscription."""

from marketplace_runtime.replay.job import REPLAY_RATE, Replays
from marketplace_runtime.replay.routes import feeding

__all__ = ["REPLAY_RATE", "Replays", "feeding"]
