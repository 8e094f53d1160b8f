"""`bench` installs the libraries that it compares with into an environment of their own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from infra.stack import python_path
from tests.unit.scaffold.copies import a_copy


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_first_run_installs_the_peers_separately_and_measures_them() -> None:
    with tempfile.TemporaryDirectory(prefix="m-") as directory:
        Path(directory).chmod(0o711)
        checkout = a_copy(Path(directory))
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tests.benchmarks", "hop", "--quick"],
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": python_path(checkout)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert {"faststream", "celery"} <= set(done.stdout.split())
        assert (checkout / ".venv-bench/requirements.installed").read_bytes() == (
            checkout / "requirements-bench.txt"
        ).read_bytes()
