"""Declares the users, exchanges, queues and bindings that the broker must have, and reports how it differs."""

from marketplace_runtime.topology.apply import TopologyError
from marketplace_runtime.topology.declaration import Wiring, definitions
from marketplace_runtime.topology.plan import format_plan

__all__ = ["TopologyError", "Wiring", "definitions", "format_plan"]
