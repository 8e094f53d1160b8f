"""Tests get the same servers, stacks and settings on every machine, whatever its shell, Docker and stacks offer."""

import os
import re
import signal
import sys
import tempfile
from pathlib import Path

HARMLESS = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|LANG|LC_.*|TERM|NO_COLOR|PY_COLORS|LD_LIBRARY_PATH|CI"
    "|PYTHON(?!DONTWRITEBYTECODE).*|(PYTEST_|HYPOTHESIS_|COVERAGE_|COV_).*"
)
"""The environment variables that tests keep: they find programs or configure Python and the test tools."""


def isolate() -> "tempfile.TemporaryDirectory[str]":
    """Reduce the environment to what is harmless and choose the provider and the state home explicitly.

    Servers are the programs installed here, never Docker's or given ones. Stacks lie in a new directory, so that no
    test reads or touches one of the machine's. Returns the directory, for the caller to remove.
    """
    for name in [each for each in os.environ if not HARMLESS.fullmatch(each)]:
        del os.environ[name]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # as under nohup: what we start would ignore it as well
        signal.signal(signal.SIGHUP, _survive)
    sys.dont_write_bytecode = False  # to compile again what was compiled takes seconds in every process
    state_home = tempfile.TemporaryDirectory(prefix="marketplace-tests-")
    Path(state_home.name).chmod(0o711)  # PostgreSQL may run as another account
    os.environ["MARKETPLACE_PROVIDER"] = "host"
    os.environ["MARKETPLACE_STATE_HOME"] = state_home.name
    return state_home


def _survive(number: int, frame: object) -> None:
    """Ignore a closed terminal; unlike `SIG_IGN`, a handler is not inherited by the programs that tests start."""
