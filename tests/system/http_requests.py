"""Sends requests to the running marketplace as an attacker would, byte by byte if needed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.system.marketplace import Visit

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def slug(self) -> str:
        """Return the slug of the problem document."""
        return str(self.json["type"]).removeprefix("urn:problem:marketplace:")


async def request(
    visit: Visit, method: str, service: str, path: str, *, token: str | None = None, **options: Any
) -> Answer:
    """Send one request and return its answer, whatever the status."""
    headers = dict(options.pop("headers", {}))
    if token is not None:
        headers.setdefault("Authorization", f"Bearer {token}")
    url = visit.base(service) + path
    async with visit.http.request(method, url, headers=headers, allow_redirects=False, **options) as response:
        return Answer(response.status, response.headers, await response.read())


async def well_formed_answer(visit: Visit, method: str, service: str, path: str, **options: Any) -> Answer:
    """Send one request as `request` does, and assert that an error is a problem document with its own status.

    500 is never well-formed: it means an unhandled exception.
    """
    answer = await request(visit, method, service, path, **options)
    where = f"{method} {service}{path}: {answer.status} {answer.raw[:300]!r}"
    if answer.status >= 400:
        assert answer.headers.get("Content-Type") == PROBLEM, where
        assert answer.json["status"] == answer.status, where
        assert {"type", "title"} <= answer.json.keys(), where
    assert answer.status != 500, where
    return answer


async def token_for(visit: Visit, subject: str, *roles: str, ttl_s: int = 3600) -> str:
    answer = await visit.outside("POST", "/identity/token", {"sub": subject, "roles": [*roles], "ttl_s": ttl_s})
    return str(answer["access_token"])


@dataclass(frozen=True)
class Operation:
    """A method of a path, as described in the service's OpenAPI document."""

    service: str
    method: str
    path: str
    document: Mapping[str, Any]

    @property
    def takes_a_body(self) -> bool:
        return "requestBody" in self.document

    def parameters(self, place: str) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.document.get("parameters", []) if each["in"] == place}

    def __str__(self) -> str:
        return f"{self.service} {self.method} {self.path}"


async def operations(visit: Visit) -> list[Operation]:
    """Return every operation of every running service."""
    return [
        Operation(service, method.upper(), path, document)
        for service in visit.marketplace.state["services"]
        for path, methods in (await request(visit, "GET", service, "/openapi.json")).json["paths"].items()
        for method, document in methods.items()
    ]
