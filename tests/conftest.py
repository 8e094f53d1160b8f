"""For all tests: isolation from the machine's settings, production's log lines, `--all`, and who runs which tests."""

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
"""The choice that pyproject.toml makes."""
pytest_terminal_summary = print_time_per_folder
pytest.register_assert_rewrite("tests.unit", "tests.integration", "tests.system")  # helpers' assertions tell as much
STATE_HOME = isolate()  # before any test module is imported

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
configure_logging("tests", format="json", level="info")  # a logged exception costs no rendering of its locals


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run what is marked slow, too, and try every example")
    frozen.add_option(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Load the Hypothesis profile, and choose the slow tests, before any test module is imported."""
    everything = config.getoption("--all")
    settings.load_profile(THOROUGH if everything else QUICK)
    if everything and config.option.markexpr == NOT_SLOW:
        config.option.markexpr = ""
    frozen.configure(config)
    config.add_cleanup(STATE_HOME.cleanup)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByServers | None:
    return ByServers(config, log) if config.option.dist == "loadscope" else None
