"""Programs start with a wrong clock only while a skew is set."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.stack import LocalError, find_library, set_skew
from infra.stack.clock_skew import environment

PRINT_CLOCKS = "import time; print(time.time(), time.monotonic())"


@pytest.mark.parametrize("ahead_s", [-45, 3600])
def test_the_time_of_day_is_wrong_and_the_monotonic_clock_is_right(tmp_path: Path, ahead_s: float) -> None:
    file = tmp_path / "clocks" / "cart"
    set_skew(file, ahead_s)
    output = subprocess.run(
        (sys.executable, "-c", PRINT_CLOCKS),
        env=environment(file),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    clock, monotonic = map(float, output.split())
    assert abs(clock - time.time() - ahead_s) < 10
    assert abs(monotonic - time.monotonic()) < 10


def test_without_a_file_there_is_no_skew(tmp_path: Path) -> None:
    assert environment(tmp_path / "cart") == environment(None) == {}


def test_an_impossible_skew_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cart"
    with pytest.raises(LocalError, match="cannot be inf s ahead"):
        set_skew(file, float("inf"))
    monkeypatch.setattr("infra.stack.clock_skew.find_library", lambda: None)
    with pytest.raises(LocalError, match="libfaketime is not installed") as raised:
        set_skew(file, 30)
    assert raised.value.remedy == "Run: sudo apt-get install -y faketime"
    assert not file.exists()


def test_the_library_is_found_in_debian_s_directory(tmp_path: Path) -> None:
    assert find_library(tmp_path) is None
    there = tmp_path / "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
    there.parent.mkdir(parents=True)
    there.touch()
    assert find_library(tmp_path) == there
