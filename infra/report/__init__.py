"""A run as a picture and a page, made from its JSON alone: what happened when, and what came of it."""

from infra.report.figure import figure, standalone
from infra.report.page import page
from infra.report.timeline import timeline

__all__ = ["figure", "page", "standalone", "timeline"]
