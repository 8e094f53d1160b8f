"""Set-up of all tests: an isolated environment, production's log format, `--all`, and distribution over processes."""

import signal
from typing import Any

import pytest
from hypothesis import settings

from marketplace_runtime.telemetry import configure_logging
from tests import frozen
from tests.durations import print_time_per_folder
from tests.examples import QUICK, THOROUGH
from tests.isolation import isolate
from tests.scheduling import ByServers

NOT_SLOW = "not slow"
"""The default marker expression, from pyproject.toml."""
pytest_terminal_summary = print_time_per_folder
pytest.register_assert_rewrite("tests.unit", "tests.integration", "tests.system")  # details in helpers' failures, too
STATE_HOME = isolate()  # before any test module is imported

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell start with SIGINT ignored
configure_logging("tests", format="json", level="info")  # JSON, since the other format renders locals of exceptions


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run slow tests, too, and try every Hypothesis example")
    frozen.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Load the Hypothesis profile and select slow tests, before any test module is imported."""
    everything = config.getoption("--all")
    settings.load_profile(THOROUGH if everything else QUICK)
    if everything and config.option.markexpr == NOT_SLOW:
        config.option.markexpr = ""
    frozen.configure(config)
    config.add_cleanup(STATE_HOME.cleanup)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServers | None:
    return ByServers(config, log) if config.option.dist == "loadscope" else None
