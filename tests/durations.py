"""Prints how long the tests of each folder took, at the end of every run."""

from collections import defaultdict
from pathlib import PurePosixPath

import pytest


def print_time_per_folder(terminalreporter: pytest.TerminalReporter) -> None:
    """Print, per folder, the number of tests and the sum of their times in seconds, fixtures included."""
    tests: defaultdict[str, set[str]] = defaultdict(set)
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                folder = str(PurePosixPath(report.nodeid.partition("::")[0]).parent)
                tests[folder].add(report.nodeid)
                seconds[folder] += report.duration
    if not tests:
        return
    terminalreporter.section("time per folder")
    for folder in sorted(tests, key=seconds.__getitem__, reverse=True):
        terminalreporter.write_line(f"{seconds[folder]:8.1f} s {len(tests[folder]):5} tests  {folder}")
    total = sum(map(len, tests.values()))
    terminalreporter.write_line(f"{sum(seconds.values()):8.1f} s {total:5} tests  in total, over all processes")
