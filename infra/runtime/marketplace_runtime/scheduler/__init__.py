"""Runs what is due: retries, deadlines and events that waited behind an earlier one."""

from marketplace_runtime.scheduler.lost_deadlines import is_lost

__all__ = ["is_lost"]
