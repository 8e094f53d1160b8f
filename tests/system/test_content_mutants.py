"""In a marketplace that publishes and shows many wrong values, each consistently, the audit finds every one.

All mutants run at once on one stack: each is identified by its invariant and field. `test_audit.py` shows that
correct values pass.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.stack import services_of
from tests.integration.mutants.content import MUTANTS
from tests.integration.mutants.mutant import Mutant
from tests.system.marketplace import Marketplace
from tests.unit.scaffold.copies import a_copy

MAIN = """
from {service}.service import SERVICE
from marketplace_runtime.service import run
from tests.integration.mutants import content

content.apply()
run(SERVICE)
"""
SHOPPING = ("--rate", "5", "--duration", "6", "--seed", "7", "--profile", "buyers")


@pytest.fixture(scope="module")
def violations() -> Iterator[list[dict[str, Any]]]:
    """Run traffic on a stack with all mutants, and return the violations that the audit finds."""
    with tempfile.TemporaryDirectory(prefix="marketplace-lies-") as home:
        Path(home).chmod(0o711)
        checkout = a_copy(Path(home))
        for service in services_of(checkout):
            (checkout / service / "__main__.py").write_text(MAIN.format(service=service))
        stack, verdict = Marketplace(Path(home), f"lies-{os.getpid()}", checkout), Path(home) / "verdict.json"
        try:
            stack.command("up", "-d")
            stack.command("traffic", *SHOPPING)
            stack.attempt("audit", "--json", str(verdict))
            yield json.loads(verdict.read_text())["violations"]
        finally:
            stack.command("down", "--volumes")


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("mutant", "invariant", "about"), MUTANTS, ids=[each[0].__name__ for each in MUTANTS])
def test_every_wrong_value_is_found(
    violations: list[dict[str, Any]], mutant: Mutant, invariant: str, about: dict[str, str]
) -> None:
    found = [each["evidence"] for each in violations if each["invariant"] == invariant]
    assert [each for each in found if about.items() <= each.items()], found[:5]
