"""An operator's HTTP client for the toy service, whose consumers are running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from contracts.naming import MARKETPLACE
from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import Database
from marketplace_runtime.dead_letters import dead_letter_routes
from marketplace_runtime.http import Authenticator, create_app
from marketplace_runtime.http.server import serve
from marketplace_runtime.outbox import routes as outbox_routes
from marketplace_runtime.replay import replay_routes
from marketplace_runtime.service import operator_routes
from tests.unit.http.client import AUDIENCE, ISSUER, FakeKeys, bearer


@dataclass
class Operator:
    """Sends requests as the operator `grace`; asserts that each answer has the expected status, by default 200."""

    session: aiohttp.ClientSession
    url: str

    async def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = bearer("grace", ("operator",))
        async with self.session.request(method, f"{self.url}/ops/{path}", json=body, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json(content_type=None)

    async def get(self, path: str) -> Any:
        return await self.ask("GET", path)

    async def post(self, path: str, **body: Any) -> Any:
        return await self.ask("POST", path, body)

    async def all_chunks(self, path: str, **chosen: Any) -> list[Any]:
        """Repeat a request until all chunks are done, and return the answers."""
        outcomes = [await self.post(path, **chosen)]
        while outcomes[-1]["next"] is not None:
            outcomes.append(await self.post(path, **chosen | outcomes[-1]["next"]))
        return outcomes


@asynccontextmanager
async def operating(database: Database, *subscriptions: Subscription) -> AsyncIterator[Operator]:
    """Serve the operators' API of a service with these subscriptions."""

    app = create_app(
        problem_type_prefix=MARKETPLACE.problem_type_prefix,
        service=database.source,
        version="1",
        database=database,
        authenticator=Authenticator(ISSUER, AUDIENCE, keys=FakeKeys()),
        ops=[
            operator_routes.router,
            outbox_routes.router,
            dead_letter_routes(subscriptions),
            replay_routes(subscriptions),
        ],
    )
    async with aiohttp.ClientSession() as session, serve(app, host="127.0.0.1", http_port=0, ops_port=0) as ports:
        yield Operator(session, f"http://127.0.0.1:{ports.http}")
