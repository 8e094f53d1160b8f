"""Who is asking: bearer tokens (RFC 6750), JWTs that the identity provider signed with ES256."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import jwt

from marketplace_runtime.http.problems import Unauthorized
from marketplace_runtime.http.signing_keys import Keys

LEEWAY_S = 5
LONGEST_TOKEN = 8192
MOST_REMEMBERED = 4096
LATEST = 2**53

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose token was verified."""

    subject: str
    roles: frozenset[str]


class Identity:
    """Verifies tokens. An async context manager; entering does not wait for the provider.

    A token that was verified is remembered by its hash until it expires or the provider's keys change: so a
    customer's second request costs a hash, not an elliptic curve.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        clock: Callable[[], float] = time.time,
        keys: Keys | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys = keys or Keys(issuer)
        self._verified: dict[bytes, tuple[Principal, float]] = {}
        self._generation = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        await self._keys.start()

    async def close(self) -> None:
        await self._keys.close()

    async def authenticate(self, authorization: str | None) -> Principal:
        """Whose `Authorization` header this is. Raises `Unauthorized`, or `Unavailable` before any key is known."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized("Send `Authorization: Bearer <token>`.")
        if self._generation != self._keys.generation:
            self._verified.clear()
            self._generation = self._keys.generation
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._verified.get(digest)
        if known is not None and self._clock() < known[1]:
            return known[0]
        principal, expires = await self._verify(token)
        if len(self._verified) >= MOST_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = principal, expires
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise Unauthorized("The token is no JWT.")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthorized("The token is broken or cut off: get a new one.") from error
        kid = header.get("kid")
        if header.get("alg") != "ES256" or not isinstance(kid, str):
            raise Unauthorized("Tokens are signed with ES256 by a key that has an id.")
        key = await self._keys.find(kid)
        if key is None:
            raise Unauthorized("The token is signed by an unknown key.")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["iss", "aud", "exp", "sub"],
                    "verify_exp": False,  # by our own clock, below
                    "verify_nbf": False,
                    "verify_iat": False,  # when it was issued says nothing of whether it is valid now
                },
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(f"The token is not valid here: {error}.") from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthorized("The token's claims cannot be read.") from error
        expiry, start = claims["exp"], claims.get("nbf", 0)
        if not _is_time(expiry) or not expiry > 0 or not _is_time(start):
            raise Unauthorized("The token's times are no times.")
        if self._clock() >= expiry + LEEWAY_S:
            raise Unauthorized("The token has expired.")
        if self._clock() < start - LEEWAY_S:
            raise Unauthorized("The token is not valid yet.")
        return _principal(claims), expiry + LEEWAY_S


def _is_time(claim: object) -> bool:
    return isinstance(claim, int | float) and 0 <= claim < LATEST


def _principal(claims: dict[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles", [])
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Unauthorized("The token's subject cannot be used here: 1 to 64 of A-Z a-z 0-9 . _ - are.")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Unauthorized("The token's roles are not a list of names.")
    return Principal(subject, frozenset(roles))
