"""Forges tokens that services must refuse, named by their fault."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

from tests.system.marketplace import Visit

AUDIENCE = "marketplace"


@dataclass(frozen=True)
class Forger:
    """An attacker who knows everything public and, to sign wrong claims, also has the issuer's key."""

    issuer: str
    public: Mapping[str, Any]
    key: EllipticCurvePrivateKey

    @classmethod
    async def of(cls, visit: Visit) -> Self:
        [public] = (await visit.outside("GET", "/identity/jwks.json"))["keys"]
        home: Path = visit.marketplace.home / visit.marketplace.name
        key = load_pem_private_key((home / "outside" / "issuer-key.pem").read_bytes(), password=None)
        assert isinstance(key, EllipticCurvePrivateKey)
        return cls(visit.marketplace.state["issuer"], public, key)

    def good(self, subject: str, *roles: str) -> str:
        """Return a valid token, the base of the forgeries, so that each is refused for its fault alone."""
        return self._signed(self._claims(subject, *roles))

    def forged(self, subject: str, *roles: str) -> dict[str, str]:
        """Return every forgery by name; each claims this subject and these roles."""
        claims, strange = self._claims(subject, *roles), generate_private_key(SECP256R1())
        good = self._signed(claims)
        head, body, signature = good.split(".")
        unsigned = {"kid": self.public["kid"], "typ": "JWT"}
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        strange_jwk = ECAlgorithm.to_jwk(strange.public_key(), as_dict=True)
        der = self.key.sign(f"{head}.{body}".encode(), ECDSA(SHA256()))
        return {
            "no algorithm": f"{_part(unsigned | {'alg': 'none'})}.{_part(claims)}.",
            "no algorithm, in other letters": f"{_part(unsigned | {'alg': 'nOnE'})}.{_part(claims)}.{signature}",
            "the public key as HMAC secret": _hs256(unsigned, claims, pem),
            "the published key as HMAC secret": _hs256(unsigned, claims, json.dumps(self.public).encode()),
            "another's key": self._signed(claims, key=strange),
            "another's key, brought along": self._signed(claims, key=strange, kid="mine", jwk=strange_jwk),
            "another's key, to be fetched": self._signed(claims, key=strange, kid="mine", jku="http://127.0.0.1:9/"),
            "a key id that is a path": self._signed(claims, kid="../../../../dev/null"),
            "no key id": jwt.encode(claims, self.key, algorithm="ES256"),
            "an empty signature": f"{head}.{body}.",
            "a signature of zeros": f"{head}.{body}.{_base64(bytes(64))}",
            "a signature in DER": f"{head}.{body}.{_base64(der)}",
            "claims changed after signing": f"{head}.{_part(claims | {'exp': claims['exp'] + 1})}.{signature}",
            "a critical extension": self._signed(claims, crit=["trust"], trust="me"),
            "another audience": self._signed(claims | {"aud": "elsewhere"}),
            "no audience": self._signed(_without(claims, "aud")),
            "another issuer": self._signed(claims | {"iss": "http://issuer.test"}),
            "no issuer": self._signed(_without(claims, "iss")),
            "no expiry": self._signed(_without(claims, "exp")),
            "an expiry that is no number": self._signed(claims | {"exp": "never"}),
            "an expiry beyond all time": self._signed(claims | {"exp": 10**40}),
            "not valid yet": self._signed(claims | {"nbf": claims["exp"]}),
            "no subject": self._signed(_without(claims, "sub")),
            "a subject that is no text": self._signed(claims | {"sub": 7}),
            "a subject that is a path": self._signed(claims | {"sub": f"../{subject}"}),
            "roles that are no list": self._signed(claims | {"roles": "seller operator"}),
            "claims that are no object": f"{head}.{_part([claims])}.{signature}",
        }

    def _claims(self, subject: str, *roles: str) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "roles": [*roles], "iat": now, "exp": now + 3600}

    def _signed(self, claims: Mapping[str, Any], *, key: EllipticCurvePrivateKey | None = None, **header: Any) -> str:
        head = {"alg": "ES256", "typ": "JWT", "kid": self.public["kid"]} | header
        signing = f"{_part(head)}.{_part(claims)}"
        return f"{signing}.{_base64(ECAlgorithm(ECAlgorithm.SHA256).sign(signing.encode(), key or self.key))}"


def _hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    signing = f"{_part({**header, 'alg': 'HS256'})}.{_part(claims)}"
    return f"{signing}.{_base64(hmac.digest(secret, signing.encode(), hashlib.sha256))}"


def _part(value: Any) -> str:
    return _base64(json.dumps(value).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _without(claims: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in claims.items() if each != name}
