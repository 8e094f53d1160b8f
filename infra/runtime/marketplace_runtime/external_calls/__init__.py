"""Makes calls to external systems: one at a time per event, although processes may die."""

from marketplace_runtime.external_calls.call_pool import LEASE, CallPool, Ended, NoPlaceInTime
from marketplace_runtime.external_calls.liveness import missing

__all__ = ["LEASE", "CallPool", "Ended", "NoPlaceInTime", "missing"]
