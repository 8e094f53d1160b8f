"""Runs the stand-ins in one process, with all dials reset before each test."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.integration.outside.outside_process import OutsideProcess


@pytest.fixture(scope="package")
async def outside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OutsideProcess]:
    async with OutsideProcess(tmp_path_factory.mktemp("outside")) as process:
        yield process


@pytest.fixture
async def http(outside: OutsideProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(outside.url) as session:
        yield session
        async with session.delete("/dials/payments-a") as answer:
            assert answer.ok
