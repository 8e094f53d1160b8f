"""Simulated shoppers and sellers: open-loop traffic against any running marketplace, over HTTP only."""

from infra.simulator.report import Report
from infra.simulator.run import run_traffic
from infra.simulator.setup import SetUpFailed
from infra.simulator.traffic import Endpoints, Traffic

__all__ = ["Endpoints", "Report", "SetUpFailed", "Traffic", "run_traffic"]
