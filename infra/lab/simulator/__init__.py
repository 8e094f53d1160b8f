"""Simulates shoppers and sellers: open-loop traffic against any running marketplace, over HTTP only."""

from infra.lab.simulator.client import Meter
from infra.lab.simulator.figures_by_second import FiguresBySecond
from infra.lab.simulator.flash import FlashSale
from infra.lab.simulator.report import Report
from infra.lab.simulator.run import run_traffic, running_shop
from infra.lab.simulator.setup import SetUpFailed
from infra.lab.simulator.shop import Shop
from infra.lab.simulator.traffic import Endpoints, Profile, Traffic

__all__ = [
    "Endpoints",
    "FiguresBySecond",
    "FlashSale",
    "Meter",
    "Profile",
    "Report",
    "SetUpFailed",
    "Shop",
    "Traffic",
    "run_traffic",
    "running_shop",
]
