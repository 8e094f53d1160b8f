"""Runs the commands in the boxes of documents as written."""

import os
import re
import subprocess
import sys
from pathlib import Path

from infra.stack import python_path
from tests.system.marketplace import ROOT, Marketplace

BOX = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHIM = f'#!/bin/sh\nPYTHONPATH={python_path(ROOT)} exec {sys.executable} -P -m infra.cli "$@"\n'


def run_boxes(page: str, marketplace: Marketplace, tmp_path: Path) -> str:
    """Run the boxes of the page one after the other, in one shell. Returns the output."""
    (tmp_path / "marketplace").write_text(SHIM)
    (tmp_path / "marketplace").chmod(0o755)
    boxes = BOX.findall((ROOT / "docs" / page).read_text())
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
    return done.stdout


def test_a_lamp_is_bought_by_hand(marketplace: Marketplace, tmp_path: Path) -> None:
    output = run_boxes("by-hand.md", marketplace, tmp_path)
    for said in ("checkout.order-confirmed", "ada@example.org", '"kind":"capture"'):
        assert said in output


def test_answers_are_revalidated_and_a_deprecation_is_noticed_by_hand(marketplace: Marketplace, tmp_path: Path) -> None:
    output = run_boxes("http-apis.md", marketplace, tmp_path)
    assert re.findall(r"HTTP/1.1 (\d+)", output) == ["200", "304", "200"]
    for said in ('"amount":1499', "Deprecation: @1796083200\n", "Sunset: Thu, 01 Jul 2027 00:00:00 GMT\n"):
        assert said in output
