"""Runs the commands in the boxes of docs/by-hand.md as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

from infra.stack import python_path
from tests.system.marketplace import ROOT, Marketplace

BOX = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHIM = f'#!/bin/sh\nPYTHONPATH={python_path(ROOT)} exec {sys.executable} -P -m infra.cli "$@"\n'


def test_a_lamp_is_bought_by_hand(marketplace: Marketplace, tmp_path: Path) -> None:
    (tmp_path / "marketplace").write_text(SHIM)
    (tmp_path / "marketplace").chmod(0o755)
    boxes = BOX.findall((ROOT / "docs" / "by-hand.md").read_text())
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -euo pipefail", *boxes])],
        cwd=tmp_path,
        env=os.environ | marketplace.environment | {"MARKETPLACE_STACK": marketplace.name},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    for said in ("checkout.order-confirmed", "ada@example.org", '"kind":"capture"'):
        assert said in done.stdout
