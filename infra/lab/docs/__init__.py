"""Generates documents about published and consumed events from the services' tables and the contracts."""

from infra.lab.docs.build import build
from infra.lab.docs.overview_picture import overview
from infra.lab.docs.wiring import ServiceWiring, read_wiring

__all__ = ["ServiceWiring", "build", "overview", "read_wiring"]
