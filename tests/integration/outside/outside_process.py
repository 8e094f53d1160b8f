"""Starts, kills and calls the real process of the stand-ins."""

import asyncio
import base64
import itertools
import os
import sys
import uuid
from pathlib import Path
from typing import Any, Self

import aiohttp

from infra.stack.ports import Ports

ROOT = Path(__file__).parents[3]
SECRET = "whsec_" + base64.b64encode(b"a secret that tests share with it").decode()
PORTS = Ports()
"""Reserved while this process lives, so that nobody else gets a port while its server is down."""
NUMBERS = itertools.count()


def free_port() -> int:
    """Return a port on which nobody listens."""
    return PORTS.of(str(next(NUMBERS)))


class OutsideProcess:
    """Runs `python -m infra.lab.stand_ins` with its own ports and state directory."""

    def __init__(self, state: Path) -> None:
        self.port = free_port()
        self.smtp_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secret = SECRET
        self.ledger = state / "ledger.sqlite3"
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

    async def __aenter__(self) -> Self:
        """Start the process; it is killed at the end of the block."""
        try:
            await self.start()
        except BaseException:
            await self.kill()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.lab.stand_ins", cwd=ROOT, env=self._environment
        )
        async with aiohttp.ClientSession() as http, asyncio.timeout(30):
            while True:
                try:
                    async with http.get(f"{self.url}/livez") as answer:
                        if answer.ok:
                            return
                except aiohttp.ClientError:
                    assert self.process.returncode is None, "the stand-ins did not start"
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


Answer = tuple[int, dict[str, Any]]


async def charge(http: aiohttp.ClientSession, key: str, *, amount: int = 500, provider: str = "a") -> Answer:
    body = {"order_id": f"order-of-{key}", "amount": amount, "currency": "EUR"}
    headers = {"Idempotency-Key": key}
    async with http.post(f"/payments/{provider}/charges", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def send_action(http: aiohttp.ClientSession, key: str, what: str, *, provider: str = "a") -> Answer:
    async with http.post(f"/payments/{provider}/charges/{key}/{what}") as answer:
        return answer.status, await answer.json()


async def set_dial(http: aiohttp.ClientSession, part: str, **dial: float) -> None:
    async with http.put(f"/dials/{part}", json=dial) as answer:
        assert answer.status == 200, await answer.text()


async def count_outcomes(http: aiohttp.ClientSession, part: str, fate: str) -> int:
    """Return how many requests to the part had this outcome."""
    async with http.get(f"/dials/{part}/counts") as answer:
        return int((await answer.json()).get(fate, 0))


async def until_outcome(http: aiohttp.ClientSession, part: str, fate: str, *, more_than: int = 0) -> None:
    """Wait until more than `more_than` requests to the part had this outcome."""
    async with asyncio.timeout(10):
        while await count_outcomes(http, part, fate) <= more_than:
            await asyncio.sleep(0.01)


async def entries_of(http: aiohttp.ClientSession, key: str, *, provider: str = "a") -> list[dict[str, Any]]:
    found, after = [], 0
    while after is not None:
        query = {"after": str(after), "limit": "1000"}
        async with http.get(f"/payments/{provider}/ledger", params=query) as answer:
            page = await answer.json()
        found += [entry for entry in page["entries"] if entry["key"] == key]
        after = page["next"]
    return found


def held(entries: list[dict[str, Any]]) -> int:
    signs = {"capture": 1, "refund": -1, "void": -1, "decline": 0}
    return sum(signs[entry["kind"]] * entry["amount"] for entry in entries)


def a_key() -> str:
    return f"{uuid.uuid4()}:a"
