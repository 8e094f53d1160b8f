"""Simulated shoppers and sellers: open-loop traffic against any running marketplace, over HTTP only."""

from infra.simulator.client import Meter
from infra.simulator.flash import flash_sale
from infra.simulator.report import Report
from infra.simulator.run import opened, run_traffic
from infra.simulator.seconds import Seconds
from infra.simulator.setup import SetUpFailed
from infra.simulator.shop import Shop
from infra.simulator.traffic import Endpoints, Profile, Traffic

__all__ = [
    "Endpoints",
    "Meter",
    "Profile",
    "Report",
    "Seconds",
    "SetUpFailed",
    "Shop",
    "Traffic",
    "flash_sale",
    "opened",
    "run_traffic",
]
