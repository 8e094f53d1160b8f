"""Declares what the broker must have, and compares it with what it has."""

from marketplace_runtime.topology.apply import TopologyDiffers
from marketplace_runtime.topology.declaration import Wiring, definitions
from marketplace_runtime.topology.plan import plan

__all__ = ["TopologyDiffers", "Wiring", "definitions", "plan"]
