"""Simulated shoppers and sellers: open-loop traffic against any running marketplace, over HTTP only."""

from infra.simulator.client import Meter
from infra.simulator.flash import FlashSale
from infra.simulator.report import Report
from infra.simulator.run import opened, run_traffic
from infra.simulator.seconds import Seconds
from infra.simulator.setup import SetUpFailed
from infra.simulator.shop import Shop
from infra.simulator.traffic import Endpoints, Profile, Traffic

__all__ = [
    "Endpoints",
    "FlashSale",
    "Meter",
    "Profile",
    "Report",
    "Seconds",
    "SetUpFailed",
    "Shop",
    "Traffic",
    "opened",
    "run_traffic",
]
