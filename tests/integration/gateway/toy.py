"""Toy upstream and toy identity provider, both of which a test can inspect and change while they run."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from infra.stack.gateway.exposure import ExposedRoute

AUDIENCE = "toy"
ROUTES = [
    ExposedRoute("GET", "/public", "toy", needs_token=False, role=None, cost=1),
    ExposedRoute("POST", "/public", "toy", needs_token=False, role=None, cost=1),
    ExposedRoute("GET", "/public/{id}", "toy", needs_token=False, role=None, cost=1),
    ExposedRoute("GET", "/dear", "toy", needs_token=False, role=None, cost=3),
    ExposedRoute("POST", "/callback", "toy", needs_token=False, role=None, cost=0),
    ExposedRoute("GET", "/absent", "absent", needs_token=False, role=None, cost=1),
    ExposedRoute("POST", "/absent", "absent", needs_token=False, role=None, cost=1),
    ExposedRoute("GET", "/mine", "toy", needs_token=True, role=None, cost=1),
    ExposedRoute("PUT", "/mine/{id}", "toy", needs_token=True, role=None, cost=1),
    ExposedRoute("GET", "/mine/dear", "toy", needs_token=True, role=None, cost=3),
    ExposedRoute("POST", "/sell", "toy", needs_token=True, role="seller", cost=1),
]


@dataclass
class Echo:
    """An upstream that answers every request with what it received, unless the header `X-Do` orders it to fail."""

    requests: list[str] = field(default_factory=list)
    """The requests in the order of arrival, except health checks."""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        if request.path == "/readyz":
            return web.Response()
        self.requests.append(f"{request.method} {request.raw_path}")
        body = await request.read()
        order = request.headers.get("X-Do")
        if order in ("disconnect", "talk nonsense"):
            assert request.transport
            request.transport.write(b"nonsense\r\n\r\n" if order == "talk nonsense" else b"")
            request.transport.close()
        if order == "refuse slowly":
            await asyncio.sleep(0.1)
        headers = [[name.decode("latin-1").lower(), value.decode("latin-1")] for name, value in request.raw_headers]
        return web.json_response(
            {"method": request.method, "path": request.raw_path, "headers": headers, "body": body.decode("latin-1")},
            status=503 if order else 200,
        )


@dataclass
class ToyIssuer:
    """Signs tokens with any of its keys. Clients can fetch only the published ones."""

    url: str
    keys: dict[str, EllipticCurvePrivateKey] = field(
        default_factory=lambda: {each: generate_private_key(SECP256R1()) for each in ("old", "new")}
    )
    published: list[str] = field(default_factory=lambda: ["old"])
    is_down: bool = False
    fetches: int = 0

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.fetches += 1
        if self.is_down or request.path != "/identity/jwks.json":
            return web.Response(status=500)
        return web.json_response({"keys": [self._public(each) for each in self.published]})

    def claims(self, subject: str = "ada", *roles: str) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": self.url, "aud": AUDIENCE, "sub": subject, "roles": [*roles], "iat": now, "exp": now + 600}

    def token(self, subject: str = "ada", *roles: str, kid: str = "old", **changes: Any) -> str:
        """Return a token. A claim that is changed to None is omitted."""
        claims = self.claims(subject, *roles) | changes
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.keys[kid], algorithm="ES256", headers={"kid": kid})

    def refused(self, subject: str = "ada", *roles: str) -> dict[str, str]:
        """Return tokens that must be refused, by their fault."""
        now, claims = int(time.time()), self.claims(subject, *roles)
        head, body, signature = self.token(subject, *roles).split(".")
        pem = self.keys["old"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        strange = generate_private_key(SECP256R1())
        return {
            "expired": self.token(subject, *roles, exp=now - 60),
            "without expiry": self.token(subject, *roles, exp=None),
            "not valid yet": self.token(subject, *roles, nbf=now + 60),
            "another issuer": self.token(subject, *roles, iss="http://issuer.test/identity"),
            "no issuer": self.token(subject, *roles, iss=None),
            "another audience": self.token(subject, *roles, aud="elsewhere"),
            "no audience": self.token(subject, *roles, aud=None),
            "another's key": jwt.encode(claims, strange, algorithm="ES256", headers={"kid": "old"}),
            "a key that is not published": self.token(subject, *roles, kid="new"),
            "no algorithm": f"{_part({'alg': 'none', 'kid': 'old'})}.{body}.",
            "the public key as HMAC secret": _hs256(claims, pem),
            "the published key as HMAC secret": _hs256(claims, json.dumps(self._public("old")).encode()),
            "claims changed": f"{head}.{_part(claims | {'sub': 'root'})}.{signature}",
            "no signature": f"{head}.{body}.",
            "rubbish": "rubbish",
            "empty": "",
        }

    def _public(self, kid: str) -> Mapping[str, Any]:
        jwk: dict[str, Any] = ECAlgorithm.to_jwk(self.keys[kid].public_key(), as_dict=True)
        return jwk | {"kid": kid, "use": "sig", "alg": "ES256"}


def _hs256(claims: Mapping[str, Any], secret: bytes) -> str:
    signing = f"{_part({'alg': 'HS256', 'kid': 'old'})}.{_part(claims)}"
    return f"{signing}.{_base64(hmac.digest(secret, signing.encode(), hashlib.sha256))}"


def _part(value: Any) -> str:
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
