"""The real outside process, one for most tests, and one of its own for those that kill it."""

import asyncio
import base64
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

ROOT = Path(__file__).parents[3]
SECRET = "whsec_" + base64.b64encode(b"a secret that tests share with it").decode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class OutsideProcess:
    """`python -m infra.outside` on ports and a state directory of its own."""

    def __init__(self, state: Path) -> None:
        self.port = free_port()
        self.smtp_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secret = SECRET
        self._environment = {
            **os.environ,
            "OUTSIDE_PORT": str(self.port),
            "SMTP_PORT": str(self.smtp_port),
            "STATE_DIR": str(state),
            "CARRIER_WEBHOOK_SECRET": SECRET,
            "CARRIER_DISPATCH_AFTER_S": "0.2",
            "CARRIER_DELIVER_AFTER_S": "0.2",
            "LOG_LEVEL": "WARNING",
        }
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.outside", cwd=ROOT, env=self._environment
        )
        async with aiohttp.ClientSession() as http, asyncio.timeout(30):
            while True:
                try:
                    async with http.get(f"{self.url}/livez") as answer:
                        if answer.ok:
                            return
                except aiohttp.ClientError:
                    assert self.process.returncode is None, "it did not start"
                    await asyncio.sleep(0.05)

    async def kill(self) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()


@pytest.fixture(scope="session")
async def running_outside(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OutsideProcess]:
    process = OutsideProcess(tmp_path_factory.mktemp("outside"))
    await process.start()
    yield process
    await process.kill()


@pytest.fixture
async def outside(running_outside: OutsideProcess) -> AsyncIterator[OutsideProcess]:
    """The shared process, with every dial at rest before and after."""
    yield running_outside
    async with aiohttp.ClientSession(running_outside.url) as http:
        for part in ("payments-a", "payments-b", "carriers-a", "carriers-b", "mail"):
            async with http.delete(f"/dials/{part}") as answer:
                assert answer.ok


@pytest.fixture
async def own_outside(tmp_path: Path) -> AsyncIterator[OutsideProcess]:
    """A process that the test may kill and start again."""
    process = OutsideProcess(tmp_path / "state")
    await process.start()
    yield process
    await process.kill()


@pytest.fixture
async def http(outside: OutsideProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(outside.url) as session:
        yield session
