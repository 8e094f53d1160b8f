"""A client of the cart's own HTTP app, with tokens for whoever is asking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Client:
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, *, customer: str | None = "ann") -> Answer:
        return await self._ask("GET", path, None, customer)

    async def put(self, path: str, body: Any, *, customer: str | None = "ann") -> Answer:
        return await self._ask("PUT", path, body, customer)

    async def delete(self, path: str, *, customer: str | None = "ann") -> Answer:
        return await self._ask("DELETE", path, None, customer)

    async def post(self, path: str, *, customer: str | None = "ann") -> Answer:
        return await self._ask("POST", path, None, customer)

    async def _ask(self, method: str, path: str, body: Any, token: str | None) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.session.request(method, self.url + path, json=body, headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.json(content_type=None))
