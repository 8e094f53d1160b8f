"""Test doubles for HTTP: a database that only counts transactions, and a client that calls an application by ASGI."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI

from marketplace_runtime.http import Health
from marketplace_runtime.http.signing_keys import SigningKeys

ISSUER, AUDIENCE, KID = "http://identity.test/identity", "marketplace", "k1"
PRIVATE = ec.generate_private_key(ec.SECP256R1())


def a_token(
    subject: object = "alice", roles: object = (), *, key: Any = PRIVATE, kid: str | None = KID, **claims: Any
) -> str:
    """Return a token as the provider signs it. `claims` replace its own claims; None removes one."""
    all_claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": time.time() + 3600,
        "sub": subject,
        "roles": list(roles) if isinstance(roles, tuple) else roles,
        **claims,
    }
    kept = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm="ES256", headers={"kid": kid} if kid else None)


def bearer(*args: Any, **kwargs: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {a_token(*args, **kwargs)}"}


class FakeKeys(SigningKeys):
    """A fake that has one key and fetches nothing."""

    def __init__(self) -> None:
        super().__init__(ISSUER)
        self._keys = {KID: PRIVATE.public_key()}
        self.looked_up: list[str] = []

    async def find(self, kid: str) -> ec.EllipticCurvePublicKey | None:
        self.looked_up.append(kid)
        return self._keys.get(kid)


@dataclass
class FakeTransaction:
    committing: bool = False


@dataclass
class FakeDatabase:
    """Counts transactions by how they end. `commit` is called when one commits."""

    opened: int = 0
    committed: int = 0
    rolled_back: int = 0
    commit: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[FakeTransaction]:
        self.opened += 1
        tx = FakeTransaction()
        try:
            yield tx
            tx.committing = True
            self.commit()
        except BaseException:
            self.rolled_back += 1
            raise
        self.committed += 1


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def slug(self) -> str:
        """The problem type. Requires a problem document with the answer's own status."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:problem:marketplace:")


@dataclass
class Client:
    app: FastAPI
    database: FakeDatabase
    keys: FakeKeys
    components: dict[str, str] = field(default_factory=lambda: {"database": "ok"})
    events: list[str] = field(default_factory=list)
    """Events in their order."""

    def __post_init__(self) -> None:
        self.health = Health(self._components)

    async def _components(self) -> dict[str, str]:
        return self.components

    async def request(
        self, method: str, target: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send `body` as JSON, or as it is if it is bytes, which need a Content-Type header."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {"host": "test", **({"content-length": str(len(raw))} if raw else {})}
        if body is not None and not isinstance(body, bytes):
            sent["content-type"] = "application/json"
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        path, _, query = target.partition("?")
        return await self.send(method, path, query.encode(), sent, [raw])

    async def send(self, method: str, path: str, query: bytes, headers: dict[str, str], chunks: list[bytes]) -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "server": ("test", 80),
            "client": ("127.0.0.1", 1),
        }
        waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        waiting[-1]["more_body"] = False
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.events.append("answered")
            messages.append(message)

        await self.app(scope, cast("Any", receive), send)
        head = {name.decode(): value.decode("latin-1") for name, value in messages[0]["headers"]}
        return Answer(messages[0]["status"], head, b"".join(each.get("body", b"") for each in messages[1:]))
