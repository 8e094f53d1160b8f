"""Sends requests at a steady rate, whatever the answers take, and measures each from when it was due."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

CONNECTIONS = 64


@dataclass(frozen=True)
class User:
    """A customer with a token."""

    id: str
    token: str

    @property
    def cart(self) -> str:
        return f"/carts/{self.id}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Load:
    """The answers to one load."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    async def send(self, http: aiohttp.ClientSession, url: str, user: User, due: float) -> None:
        async with http.get(url, headers=user.headers) as answer:
            await answer.read()
        self.milliseconds.append((time.perf_counter() - due) * 1000)
        self.statuses[answer.status] += 1


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))


async def steady(http: aiohttp.ClientSession, base: str, users: Sequence[User], *, rate: float, seconds: float) -> Load:
    """Let the users read their carts in turn, `rate` times per second in total."""
    load, took = Load(), itertools.cycle(users)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            user = next(took)
            group.create_task(load.send(http, base + user.cart, user, due))
    return load


async def saturated(
    http: aiohttp.ClientSession, base: str, users: Sequence[User], *, clients: int, seconds: float
) -> Load:
    """Let so many clients read carts one after the other, as fast as they get answers."""
    load, took = Load(), itertools.cycle(users)
    end = time.perf_counter() + seconds

    async def client() -> None:
        while (now := time.perf_counter()) < end:
            user = next(took)
            await load.send(http, base + user.cart, user, now)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return load
