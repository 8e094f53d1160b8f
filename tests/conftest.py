"""For all tests: isolation from the machine's settings, log lines as in production, in CI the same examples in every
run, and what runs on one process.
"""

import os
import signal
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from infra.telemetry import configure_logging
from tests.isolation import isolate

pytest.register_assert_rewrite("tests.unit", "tests.integration", "tests.system")  # helpers' assertions tell as much
STATE_HOME = isolate()  # before any test module is imported

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
configure_logging("tests", format="json", level="info")  # a logged exception costs no rendering of its locals

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    config.add_cleanup(STATE_HOME.cleanup)


class FolderByFolder(LoadFileScheduling):
    """What shares a broker, a database or the whole stack runs on one process, so that each is started once."""

    def _split_scope(self, nodeid: str) -> str:
        return super()._split_scope(nodeid).rpartition("/")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderByFolder | None:
    return FolderByFolder(config, log) if config.option.dist == "loadfile" else None
