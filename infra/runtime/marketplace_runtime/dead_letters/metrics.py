"""Defines the metrics of this package. Names follow OpenTelemetry's conventions where there is one."""

from prometheus_client import Gauge

dead_letters = Gauge("dead_letters", "Dead letters that wait for an operator's decision.")
