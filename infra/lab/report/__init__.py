"""A run as a picture and a page, made from its JSON alone: what happened when, and what came of it."""

from infra.lab.report.figure import figure, standalone
from infra.lab.report.page import page
from infra.lab.report.timeline import timeline

__all__ = ["figure", "page", "standalone", "timeline"]
