"""Authenticates callers by bearer tokens (RFC 6750): JWTs that the identity provider signed with ES256."""

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import jwt

from marketplace_runtime.http.problems import Unauthorized
from marketplace_runtime.http.signing_keys import SigningKeys

LEEWAY_S = 5
"""Clock difference that is tolerated when a token's times are checked."""
MAX_TOKEN_LENGTH = 8192
"""Maximum length of a token in characters."""
MAX_CACHED_TOKENS = 4096
"""Maximum number of verified tokens in the cache."""
MAX_TIME_S = 2**53
"""Upper bound of a token's times, in seconds since 1970."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller whose token was verified."""

    subject: str
    roles: frozenset[str]


class Authenticator:
    """Verifies tokens. It is an async context manager; entering it does not wait for the provider.

    Verified tokens are cached by their hash until they expire or the provider's keys change. A customer's second
    request thus costs a hash instead of a signature verification.
    """

    def __init__(
        self,
        issuer: str,
        audience: str,
        *,
        clock: Callable[[], float] = time.time,
        keys: SigningKeys | None = None,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._keys = keys or SigningKeys(issuer)
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
        """Return the caller of an `Authorization` header.

        Raises `Unauthorized` without a valid token, and `Unavailable` while none of the provider's keys is known.
        """
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
        if len(self._verified) >= MAX_CACHED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = principal, expires
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        if len(token) > MAX_TOKEN_LENGTH or not _TOKEN.fullmatch(token):
            raise Unauthorized("The token is not a JWT.")
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise Unauthorized("The token is broken or cut off: get a new one.") from error
        kid = header.get("kid")
        if header.get("alg") != "ES256" or not isinstance(kid, str):
            raise Unauthorized("The token must be signed with ES256 and name its key in `kid`.")
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
                    "verify_exp": False,  # checked below, against our own clock
                    "verify_nbf": False,
                    "verify_iat": False,  # the time of issue does not decide whether a token is valid now
                },
            )
        except jwt.PyJWTError as error:
            raise Unauthorized(f"The token is not valid here: {error}.") from error
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise Unauthorized("The token's claims cannot be read.") from error
        expiry, start = claims["exp"], claims.get("nbf", 0)
        if not _is_time(expiry) or not expiry > 0 or not _is_time(start):
            raise Unauthorized("The token's `exp` or `nbf` is not a valid time.")
        if self._clock() >= expiry + LEEWAY_S:
            raise Unauthorized("The token has expired.")
        if self._clock() < start - LEEWAY_S:
            raise Unauthorized("The token is not valid yet.")
        return _principal(claims), expiry + LEEWAY_S


def _is_time(claim: object) -> bool:
    return isinstance(claim, int | float) and 0 <= claim < MAX_TIME_S


def _principal(claims: dict[str, Any]) -> Principal:
    subject, roles = claims["sub"], claims.get("roles", [])
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise Unauthorized("The token's subject must be 1 to 64 characters of A-Z a-z 0-9 . _ -")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Unauthorized("The token's roles are not a list of names.")
    return Principal(subject, frozenset(roles))
