"""Makes copies of this checkout for tests to change. They keep compiled modules, which take seconds to make again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.stack import python_path

ROOT = Path(__file__).parents[3]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "build", ".*_cache", ".hypothesis", ".schemathesis")


def a_copy(directory: Path) -> Path:
    return Path(shutil.copytree(ROOT, directory / "checkout", ignore=LEFT_OUT))


def run(checkout: Path, *command: str) -> None:
    """Run a Python module in the copy. Raises AssertionError with its output if it fails."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": python_path(checkout)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"


def contents(checkout: Path) -> dict[str, bytes]:
    """Return every file of the copy."""
    return {
        str(file.relative_to(checkout)): file.read_bytes()
        for file in checkout.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
