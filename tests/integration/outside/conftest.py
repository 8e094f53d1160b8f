"""Starts the process of the stand-ins: a shared one for most tests, a separate one for tests that kill it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.outside.outside_process import OutsideProcess


@pytest.fixture(scope="session")
async def running_outside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OutsideProcess]:
    async with OutsideProcess(tmp_path_factory.mktemp("outside")) as process:
        yield process


@pytest.fixture
async def outside(running_outside: OutsideProcess) -> AsyncIterator[OutsideProcess]:
    """Provide the shared process; reset every dial before and after."""
    yield running_outside
    async with aiohttp.ClientSession(running_outside.url) as http:
        for part in ("payments-a", "payments-b", "carriers-a", "carriers-b", "mail"):
            async with http.delete(f"/dials/{part}") as answer:
                assert answer.ok


@pytest.fixture
async def own_outside(tmp_path: Path) -> AsyncIterator[OutsideProcess]:
    """Start a process that the test may kill and restart."""
    async with OutsideProcess(tmp_path / "state") as process:
        yield process


@pytest.fixture
async def http(outside: OutsideProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(outside.url) as session:
        yield session
