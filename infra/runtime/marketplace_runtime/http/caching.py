"""Lets shared caches, such as a CDN, keep the answers of public reads, and answers conditional requests with 304.

Implements RFC 9110 (validators, If-None-Match), RFC 9111 (Cache-Control), RFC 5861 (stale answers) and RFC 9213
(CDN-Cache-Control). A route without `@cached` is never stored: see `response_headers`.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request, Response

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Handle = Callable[[Request], Awaitable[Response]]

_LIST_ELEMENT = re.compile(r'[ \t]*(?:(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"[ \t]*)?(?:,|\Z)')


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long shared caches may use an answer, in seconds. Browsers revalidate it each time."""

    fresh_s: int
    """Time for which the answer is used without a request to the service."""
    stale_while_revalidate_s: int
    """Time after that for which it is still used, while it is requested again in the background."""
    stale_if_error_s: int
    """Time for which it is still used while the service is unreachable or answers with a server error."""

    @property
    def cache_control(self) -> str:
        """The header for all caches."""
        return f"public, max-age=0, s-maxage={self.fresh_s}, {self._stale}"

    @property
    def cdn_cache_control(self) -> str:
        """The header for CDNs that know it; they ignore Cache-Control.

        It has no `s-maxage`, because that forbids stale answers (RFC 9111, section 4.2.4). A CDN that takes the rule
        literally would otherwise never serve one.
        """
        return f"public, max-age={self.fresh_s}, {self._stale}"

    @property
    def _stale(self) -> str:
        return f"stale-while-revalidate={self.stale_while_revalidate_s}, stale-if-error={self.stale_if_error_s}"


def cached(policy: CachePolicy) -> Callable[[Endpoint], Endpoint]:
    """Let shared caches keep what the endpoint answers with 200. It must be a GET, and equal for all callers."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.cache_policy = policy  # type: ignore[attr-defined] # read by its route
        return endpoint

    return mark


def cache_policy_of(endpoint: Callable[..., Any]) -> CachePolicy | None:
    """Return the policy given to `cached`, or None: the endpoint's answers must not be stored."""
    policy: CachePolicy | None = getattr(endpoint, "cache_policy", None)
    return policy


def conditional(handle: Handle, policy: CachePolicy) -> Callable[[Request], Any]:
    """Return a handler that adds the validator and the policy to answers of `handle` with status 200.

    If the client has the answer already, it sends 304 without a body.
    """
    headers = [
        (b"cache-control", policy.cache_control.encode()),
        (b"cdn-cache-control", policy.cdn_cache_control.encode()),
        # A gateway that admits pages of other origins answers each with its own Access-Control-Allow-Origin.
        (b"vary", b"Origin"),
    ]

    async def handle_conditionally(request: Request) -> Response:
        answer = await handle(request)
        if answer.status_code != 200:
            return answer
        tag = entity_tag(answer.body)
        known = [value for name, value in request.scope["headers"] if name == b"if-none-match"]
        if known and matches(b", ".join(known).decode("latin-1"), tag):
            answer = Response(status_code=304)
        answer.raw_headers += [(b"etag", tag.encode()), *headers]
        return answer

    return handle_conditionally


def entity_tag(body: bytes | memoryview) -> str:
    """Return a weak validator: a hash of the body.

    It is weak because a proxy may compress the body. It may then keep a weak tag, but must remove or change a strong
    one. A hash needs no version in the data, and covers lists as well.
    """
    return f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches(if_none_match: str, tag: str) -> bool:
    """Return whether the header's value lists `tag`, by weak comparison, or is `*`. A malformed value lists nothing."""
    if if_none_match in (tag, "*"):
        return True
    try:
        return tag.removeprefix("W/").strip('"') in list(_opaque_tags(if_none_match))
    except ValueError:
        return False


def _opaque_tags(if_none_match: str) -> Iterator[str]:
    position = 0
    while position < len(if_none_match):
        element = _LIST_ELEMENT.match(if_none_match, position)
        if element is None:
            raise ValueError("not a list of entity tags")
        if element[1] is not None:
            yield element[1]
        position = element.end()
