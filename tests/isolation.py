"""Isolates tests from the machine: its shell, Docker and running stacks don't influence them."""

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
"""The environment variables that tests keep. They locate programs, or configure Python and the test tools."""


def isolate() -> "tempfile.TemporaryDirectory[str]":
    """Remove all but harmless environment variables, and set the provider and the state home.

    Servers are the installed programs, never Docker containers or given ones. Stacks are stored in a new directory, so
    that no test reads or changes a stack of this machine. Returns the directory, which the caller must remove.
    test reads or touches one of the machine's. Returns the directory, for the caller to remove.
    """
    for name in [each for each in os.environ if not HARMLESS.fullmatch(each)]:
        del os.environ[name]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # under nohup; programs that tests start would inherit it
        signal.signal(signal.SIGHUP, _survive)
    sys.dont_write_bytecode = False  # compiling everything again would cost each process seconds
    state_home = tempfile.TemporaryDirectory(prefix="marketplace-tests-")
    Path(state_home.name).chmod(0o711)  # PostgreSQL may run under another account
    os.environ["MARKETPLACE_PROVIDER"] = "host"
    os.environ["MARKETPLACE_STATE_HOME"] = state_home.name
    return state_home


def _survive(number: int, frame: object) -> None:
    """Ignore a closed terminal. Unlike `SIG_IGN`, this handler is not inherited by the programs that tests start."""
