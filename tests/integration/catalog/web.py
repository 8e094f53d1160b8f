"""Serves a service's HTTP API on a real port, with a client that has tokens for any caller."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from time import time
from typing import Any, Self, cast

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key

from contracts.naming import MARKETPLACE
from marketplace_runtime.database import Database
from marketplace_runtime.http import Authenticator, create_app
from marketplace_runtime.http.server import serve
from marketplace_runtime.service import Service
from tests.integration.outside.outside_process import free_port

ISSUER, AUDIENCE = "http://issuer.test", "marketplace"
KEY = generate_private_key(SECP256R1())


class KnownKeys:
    """Provides the issuer's keys without requesting them."""

    generation = 0

    async def start(self) -> None:
        """Do nothing: the keys are known."""

    async def close(self) -> None:
        """Do nothing: nothing was opened."""

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        return KEY.public_key() if kid == "test" else None


@cache
def token(subject: str, *roles: str) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "roles": list(roles), "exp": int(time()) + 3600}
    return jwt.encode(claims, KEY, algorithm="ES256", headers={"kid": "test"})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Client:
    """Sends requests without a token, or as the caller given to `by`."""

    session: aiohttp.ClientSession
    headers: Mapping[str, str] = field(default_factory=dict)

    def by(self, subject: str, *roles: str) -> Self:
        return replace(self, headers={**self.headers, "Authorization": f"Bearer {token(subject, *roles)}"})

    def keyed(self, key: str) -> Self:
        return replace(self, headers={**self.headers, "Idempotency-Key": key})

    def having(self, entity_tags: str) -> Self:
        """Return a client that has the answers with these entity tags already."""
        return replace(self, headers={**self.headers, "If-None-Match": entity_tags})

    async def get(self, path: str) -> Answer:
        return await self._request("GET", path, None)

    async def post(self, path: str, body: Any = None) -> Answer:
        return await self._request("POST", path, body)

    async def put(self, path: str, body: Any) -> Answer:
        return await self._request("PUT", path, body)

    async def delete(self, path: str) -> Answer:
        return await self._request("DELETE", path, None)

    async def _request(self, method: str, path: str, body: Any) -> Answer:
        async with self.session.request(method, path, json=body, headers=self.headers) as answer:
            return Answer(answer.status, answer.headers, await answer.json(content_type=None))


@asynccontextmanager
async def served(service: Service, database: Database) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve the service, and yield a session whose paths are the service's."""

    app = create_app(
        problem_type_prefix=MARKETPLACE.problem_type_prefix,
        service=service.name,
        version="0",
        database=database,
        routes=service.routes,
        authenticator=Authenticator(ISSUER, AUDIENCE, keys=cast("Any", KnownKeys())),
    )
    http, ops = free_port(), free_port()
    async with (
        serve(app, host="127.0.0.1", http_port=http, ops_port=ops),
        aiohttp.ClientSession(f"http://127.0.0.1:{http}") as session,
    ):
        yield session
