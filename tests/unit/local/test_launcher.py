"""The launcher runs the code of its own checkout, wherever it is called from."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import CHECKOUT


def a_checkout(directory: Path) -> Path:
    """Return a prepared checkout. Its command line prints the checkout's directory."""
    (directory / "infra/cli").mkdir(parents=True)
    (directory / "infra/cli/__main__.py").write_text(f"import sys; print({str(directory)!r}, *sys.argv[1:])")
    (directory / ".venv/bin").mkdir(parents=True)
    (directory / ".venv/bin/python").symlink_to(sys.executable)
    for name in ("requirements.txt", ".venv/packages.installed"):
        (directory / name).write_text("one==1\n")
    shutil.copy(CHECKOUT / "marketplace", directory)
    return directory


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return a_checkout(tmp_path / "a checkout")


def run(launcher: Path, cwd: Path) -> str:
    command = [launcher, "up", "two words"]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def test_the_launcher_runs_its_own_code_from_another_checkout(checkout: Path, tmp_path: Path) -> None:
    other = a_checkout(tmp_path / "other")
    assert run(checkout / "marketplace", other) == f"{checkout} up two words"


def test_the_launcher_can_be_called_through_a_link(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/first").symlink_to("../a checkout/marketplace")
    (tmp_path / "bin/second").symlink_to(tmp_path / "bin/first")
    assert run(tmp_path / "bin/second", Path("/")) == f"{checkout} up two words"
