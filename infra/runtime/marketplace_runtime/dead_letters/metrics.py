"""Metrics of this package; names follow OpenTelemetry's conventions where it has one."""

from prometheus_client import Gauge

dead_letters = Gauge("dead_letters", "Letters that lie there for people to decide on.")
