"""Runs due entries of the schedule: retries, deadlines, and events that were parked behind an earlier one."""

from marketplace_runtime.scheduler.caught_up import CatchUpTracker
from marketplace_runtime.scheduler.lost_deadlines import is_deadline_lost
from marketplace_runtime.scheduler.retry_policy import Reject, RetryLater
from marketplace_runtime.scheduler.scheduler import ReactionKind, Scheduler

__all__ = ["CatchUpTracker", "ReactionKind", "Reject", "RetryLater", "Scheduler", "is_deadline_lost"]
