import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.system.marketplace import Marketplace, Visit


@pytest.fixture(scope="package")
def marketplace() -> Iterator[Marketplace]:
    """A stack that is up, with the fault proxy, for all system tests; each leaves it as it was."""
    with tempfile.TemporaryDirectory(prefix="marketplace-system-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"test-{os.getpid()}")
        try:
            stack.command("up", "-d", "--faultable")
            yield stack
        finally:
            stack.command("down", "--volumes")


@pytest.fixture
async def visit(marketplace: Marketplace) -> AsyncIterator[Visit]:
    async with Visit(marketplace) as http:
        yield http
