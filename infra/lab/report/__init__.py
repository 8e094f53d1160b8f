"""Renders a run as a picture and as an HTML page, from its JSON alone."""

from infra.lab.report.figure import figure, standalone_svg
from infra.lab.report.page import page
from infra.lab.report.timeline import timeline

__all__ = ["figure", "page", "standalone_svg", "timeline"]
