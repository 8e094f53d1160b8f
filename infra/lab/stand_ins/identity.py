"""A stand-in for an OpenID Connect provider. In production, the URL of a real provider replaces it.

It issues a token to ANYONE who can reach it, for any subject and role they request. Simulated shoppers and tests need
this. So it must never listen on anything but loopback.
"""

import base64
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from fastapi import APIRouter
from jwt.algorithms import ECAlgorithm
from pydantic import BaseModel, ConfigDict, Field


class TokenRequest(BaseModel):
    """The subject, roles and lifetime of the requested token."""

    model_config = ConfigDict(extra="forbid")

    sub: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    roles: Annotated[list[Literal["seller", "operator"]], Field(max_length=2)] = []
    ttl_s: Annotated[int, Field(ge=-86_400, le=86_400)] = 3600
    """Lifetime in seconds from now. A negative one gives a token that has expired already, for tests."""


class Issuer:
    """Signs tokens with a key that is generated once and kept in `key_file`, readable by its owner only."""

    def __init__(self, *, url: str, audience: str, key_file: Path) -> None:
        self._url = url
        self._audience = audience
        self._key = _load_or_create_key(key_file)
        public: dict[str, Any] = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._kid = _thumbprint(public)
        self.jwks = {"keys": [{**public, "kid": self._kid, "use": "sig", "alg": "ES256"}]}
        self.discovery = {
            "issuer": url,
            "jwks_uri": f"{url}/jwks.json",
            "token_endpoint": f"{url}/token",
            "id_token_signing_alg_values_supported": ["ES256"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
        }

    def token(self, request: TokenRequest) -> str:
        """Returns an ES256 JWT with the claims iss, aud, sub, roles, iat and exp."""
        now = int(time.time())
        claims = {
            "iss": self._url,
            "aud": self._audience,
            "sub": request.sub,
            "roles": request.roles,
            "iat": now,
            "exp": now + request.ttl_s,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})


def routes(issuer: Issuer) -> APIRouter:
    """Returns the HTTP API for discovery, keys and tokens."""
    router = APIRouter(prefix="/identity")

    @router.get("/.well-known/openid-configuration")
    async def discovery() -> dict[str, Any]:
        return issuer.discovery

    @router.get("/jwks.json")
    async def jwks() -> dict[str, Any]:
        return issuer.jwks

    @router.post("/token")
    async def token(request: TokenRequest) -> dict[str, Any]:
        return {"access_token": issuer.token(request), "token_type": "Bearer", "expires_in": request.ttl_s}

    return router


def _load_or_create_key(path: Path) -> EllipticCurvePrivateKey:
    if not path.exists():
        pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(f"{path} contains no elliptic-curve key: remove it and start again")
    return key


def _thumbprint(public: dict[str, Any]) -> str:
    """Returns the key id, which is the thumbprint of the key (RFC 7638)."""
    members = json.dumps(
        {name: public[name] for name in ("crv", "kty", "x", "y")}, sort_keys=True, separators=(",", ":")
    )
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()
