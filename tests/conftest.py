"""For all tests: log lines as in production, so that a logged exception costs no rendering of its locals."""

from infra.telemetry import configure_logging

configure_logging("tests", format="json", level="info")
