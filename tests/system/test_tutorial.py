"""Follows docs/add-a-consumer.md exactly: every file and every command, in a copy of this checkout."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.unit.scaffold.copies import ROOT, a_copy, run

BLOCK = re.compile(r"^```(sh|python) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHIM = f"""#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH=$here:$here/infra/runtime exec {sys.executable} -P -m infra.cli "$@"
"""


def steps(page: str) -> list[tuple[str, str]]:
    """Return path and content of each block; a block without a path is run."""
    return [(path, body) for _, path, body in BLOCK.findall(page)]


@pytest.mark.slow
@pytest.mark.timeout(540)
def test_the_tutorial_works_as_written() -> None:
    with tempfile.TemporaryDirectory(prefix="marketplace-tutorial-") as home:
        Path(home).chmod(0o711)
        checkout = a_copy(Path(home))
        (checkout / "marketplace").write_text(SHIM)  # the real launcher would first create a virtual environment
        script = ["set -euo pipefail"]
        for number, (path, body) in enumerate(steps((ROOT / "docs" / "add-a-consumer.md").read_text())):
            if path:
                (Path(home) / f"step-{number}").write_text(body)
                script += [f"test -f {path}  # the scaffold made it", f"cp ../step-{number} {path}"]
            else:
                script.append(body)
        environment = os.environ | {"MARKETPLACE_STATE_HOME": home, "MARKETPLACE_STACK": f"tutorial-{os.getpid()}"}
        try:
            done = subprocess.run(
                ["bash", "-c", "\n".join(script)],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        finally:
            subprocess.run(["./marketplace", "down", "--volumes"], cwd=checkout, env=environment, check=False)
        run(checkout, "ruff", "check", ".")
        run(checkout, "ruff", "format", "--check", ".")
        run(checkout, "mypy")
        run(checkout, "contracts", "check")
        before, after = re.findall(r"^\[\{.*\}\]", done.stdout, re.MULTILINE)
        assert '"bought_with":["' in before
        assert '"orders":' in after
