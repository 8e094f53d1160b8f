import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from infra.lab.chaos import Site
from infra.lab.chaos import open_site as visit_site
from infra.stack import Layout
from tests.system.marketplace import Marketplace, Person, Visit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the chaos test first, before other tests forge messages on the shared stack."""
    items.sort(key=lambda item: item.path.name != "test_chaos.py")


@pytest.fixture(scope="package")
def marketplace() -> Iterator[Marketplace]:
    """Start one stack with the fault proxy for all system tests; each test leaves it unchanged."""
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


@pytest.fixture
async def site(marketplace: Marketplace) -> AsyncIterator[Site]:
    """Provide the site at which faults are injected."""
    async with visit_site(Layout(marketplace.name, marketplace.home / marketplace.name)) as site:
        yield site


@pytest.fixture
async def product_id(visit: Visit) -> str:
    _, product_id = await visit.product()
    return product_id


@pytest.fixture
async def customer(visit: Visit) -> Person:
    return await visit.customer()
