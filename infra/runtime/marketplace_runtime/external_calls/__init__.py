"""Makes calls to external systems: one at a time per event, even if processes die."""

from marketplace_runtime.external_calls.call_pool import LEASE, CallPool, CallResult, SlotTimeout
from marketplace_runtime.external_calls.liveness import lacks_liveness_lock

__all__ = ["LEASE", "CallPool", "CallResult", "SlotTimeout", "lacks_liveness_lock"]
