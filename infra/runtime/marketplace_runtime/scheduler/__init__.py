"""Runs due entries of the schedule: retries, deadlines, and events that were parked behind an earlier one."""

from marketplace_runtime.scheduler.caught_up import CaughtUp
from marketplace_runtime.scheduler.lost_deadlines import is_lost
from marketplace_runtime.scheduler.retry_policy import Reject, RetryLater
from marketplace_runtime.scheduler.scheduler import Kind, Scheduler

__all__ = ["CaughtUp", "Kind", "Reject", "RetryLater", "Scheduler", "is_lost"]
