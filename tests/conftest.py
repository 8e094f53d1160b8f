"""For all tests: log lines as in production, and in CI the same examples in every run."""

import os

from hypothesis import settings

from infra.telemetry import configure_logging

configure_logging("tests", format="json", level="info")  # a logged exception costs no rendering of its locals

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
