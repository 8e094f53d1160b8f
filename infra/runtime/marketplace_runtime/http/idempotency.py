"""Implements the Idempotency-Key header: a repeated POST gets the first answer again and takes effect once.

Follows the IETF draft (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/). The same key with
another request is answered 422, and with a request still in flight 409. Problems are not stored: the request had no
effect, so the client may retry it. Two requests are equal if their JSON is equal in canonical form (RFC 8785),
regardless of order and spacing.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Self

import rfc8785
from fastapi import Request, Response

from marketplace_runtime.database import Transaction
from marketplace_runtime.http import idempotency_table
from marketplace_runtime.http.headers import read_header
from marketplace_runtime.http.problems import BadRequest, Conflict, Unprocessable

HEADER = "Idempotency-Key"
PATTERN = r"^[!-~]{1,255}$"
MAX_ROUTE_LENGTH = 512
"""Characters of a route above which its hash is stored instead."""

_KEY = re.compile(PATTERN, re.ASCII)


class InvalidKey(BadRequest):
    slug, title = "invalid-idempotency-key", "An Idempotency-Key is 1 to 255 visible ASCII characters"


class KeyReused(Unprocessable):
    slug, title = "idempotency-key-reused", "This Idempotency-Key belongs to another request"


class KeyInFlight(Conflict):
    slug, title = "idempotency-key-in-flight", "A request with this Idempotency-Key is being worked on"


def key_of(request: Request) -> str | None:
    """Return the request's key, or None without one. Raises `InvalidKey` if it is repeated or malformed."""
    return read_header(request, HEADER, _KEY, InvalidKey)


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """Identifies a request that must take effect once, by caller, route, key and content."""

    caller: str
    route: str
    key: str
    body_sha256: bytes
    """Hash of the body in canonical form, followed by the query."""
    as_sent_sha256: bytes
    """Hash with the body as sent. Older releases stored it, since they did not compare canonical JSON."""

    @classmethod
    async def of(cls, request: Request, caller: str, key: str) -> Self:
        route = f"{request.method} {request.scope['path']}"
        if len(route) > MAX_ROUTE_LENGTH:  # the size of an index entry is limited
            route = f"{request.method} sha256:{hashlib.sha256(route.encode()).hexdigest()}"
        body, query = await request.body(), request.scope["query_string"]
        return cls(caller, route, key, _sha256(_canonical(body) + query), _sha256(body + query))

    async def find_answer(self, tx: Transaction) -> Response | None:
        """Lock the key until the transaction ends. Returns the answer stored under it, or None the first time.

        Raises `KeyInFlight` if another transaction holds the lock, and `KeyReused` if the answer is to another request.
        """
        if not await idempotency_table.try_lock(tx, self.caller, self.route, self.key):
            raise KeyInFlight("Retry in a moment.", headers={"Retry-After": "1"})
        stored = await idempotency_table.find_answer(tx, self.caller, self.route, self.key)
        if stored is None:
            return None
        if stored.body_sha256 not in (self.body_sha256, self.as_sent_sha256):
            raise KeyReused("Use a new key for a new request.")
        headers = {"Idempotency-Replayed": "true"}
        if stored.content_type:
            headers["Content-Type"] = stored.content_type
        if stored.location is not None:
            headers["Location"] = stored.location
        return Response(stored.body, stored.status, headers)

    async def store_answer(self, tx: Transaction, answer: Response) -> None:
        """Store the answer under the key, in the transaction of its effect."""
        stored = idempotency_table.StoredAnswer(
            body_sha256=self.body_sha256,
            status=answer.status_code,
            content_type=answer.headers.get("content-type", ""),
            location=answer.headers.get("location"),
            body=bytes(answer.body),
        )
        await idempotency_table.store_answer(tx, self.caller, self.route, self.key, stored)


def _canonical(body: bytes) -> bytes:
    """Return JSON in canonical form, and unchanged anything that is not JSON or has no canonical form."""
    try:
        return rfc8785.dumps(json.loads(body))
    except (ValueError, RecursionError):
        return body


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
