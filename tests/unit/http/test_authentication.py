"""Only an unexpired token that the provider signed for our audience identifies a caller."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from marketplace_runtime.http import Authenticator
from marketplace_runtime.http.authentication import MAX_CACHED_TOKENS
from marketplace_runtime.http.problems import Unauthorized
from tests.unit.http.client import AUDIENCE, ISSUER, KID, PRIVATE, FakeKeys, a_token

CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "exp": 4_000_000_000, "sub": "mallory", "roles": ["operator"]}
PUBLIC_PEM = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def encoded(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: object, signature: bytes = b"x", claims: object = CLAIMS) -> str:
    return f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}"


def signed_with_the_public_key_as_secret() -> str:
    signed = f"{encoded({'alg': 'HS256', 'kid': KID})}.{encoded(CLAIMS)}"
    return f"{signed}.{encoded(hmac.digest(PUBLIC_PEM, signed.encode(), hashlib.sha256))}"


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = ec.generate_private_key(ec.SECP256R1())
HEADER, BODY, SIGNATURE = a_token().split(".")

FORGED = {
    "no algorithm": by_hand({"alg": "none", "kid": KID}, b""),
    "no algorithm, with a signature": by_hand({"alg": "none", "kid": KID}),
    "no algorithm, in capitals": by_hand({"alg": "NoNe", "kid": KID}),
    "the public key as a shared secret": signed_with_the_public_key_as_secret(),
    "RSA": jwt.encode(CLAIMS, RSA, algorithm="RS256", headers={"kid": KID}),
    "another curve": jwt.encode(
        CLAIMS, ec.generate_private_key(ec.SECP384R1()), algorithm="ES384", headers={"kid": KID}
    ),
    "another's key": a_token(key=OTHER),
    "a key that nobody knows": a_token(key=OTHER, kid="k2"),
    "no key id": a_token(kid=None),
    "a key of its own in the header": jwt.encode(
        CLAIMS,
        OTHER,
        algorithm="ES256",
        headers={"kid": "own", "jwk": json.loads(jwt.algorithms.ECAlgorithm.to_jwk(OTHER.public_key()))},
    ),
    "a key id that is no text": by_hand({"alg": "ES256", "kid": ["k1"]}),
    "a changed body": f"{HEADER}.{encoded(CLAIMS)}.{SIGNATURE}",
    "no signature": f"{HEADER}.{BODY}.",
    "a zero signature": by_hand({"alg": "ES256", "kid": KID}, bytes(64)),
    "a header that is no object": by_hand([]),
    "a header that is no JSON": by_hand(b"{"),
    "a very deep header": by_hand(b"[" * 4000),
}

INVALID = {
    "expired": a_token(exp=time.time() - 6),
    "no expiry": a_token(exp=None),
    "an expiry that is no number": a_token(exp="tomorrow"),
    "an endless expiry": a_token(exp=float("inf")),
    "an expiry beyond all numbers": a_token(exp=10**400),
    "not valid yet": a_token(nbf=time.time() + 86_400),
    "a start that is no number": a_token(nbf="now"),
    "a start that is not a number": a_token(nbf=float("nan")),
    "another audience": a_token(aud="another"),
    "no audience": a_token(aud=None),
    "another issuer": a_token(iss=ISSUER + "/"),
    "no issuer": a_token(iss=None),
    "no subject": a_token(subject=None),
    "a subject that is no text": a_token(subject=7),
    "an empty subject": a_token(subject=""),
    "a hostile subject": a_token(subject="a\nb"),
    "a long subject": a_token(subject="a" * 65),
    "roles that are no list": a_token(roles="operator"),
    "a role that is no text": a_token(roles=[1]),
    "claims that are no object": jwt.api_jws.encode(b"[]", PRIVATE, algorithm="ES256", headers={"kid": KID}),
}

RUBBISH = {
    "no header": None,
    "empty": "",
    "another scheme": "Basic YTpi",
    "no token": "Bearer",
    "an empty token": "Bearer ",
    "one word": f"Bearer{a_token()}",
    "two spaces": f"Bearer  {a_token()}",
    "something after": f"Bearer {a_token()} x",
    "two parts": "Bearer a.b",
    "four parts": f"Bearer {a_token()}.x",
    "not ASCII": "Bearer é.é.é",
    "NUL": "Bearer \0",
    "half a surrogate pair": "Bearer \ud800",
    "very long": "Bearer " + a_token(more="x" * 9000),
}


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def authenticator(keys: FakeKeys) -> Authenticator:
    return Authenticator(ISSUER, AUDIENCE, keys=keys)


async def test_a_valid_token_has_a_subject_and_roles(authenticator: Authenticator) -> None:
    for scheme in ("Bearer", "bearer"):
        caller = await authenticator.authenticate(f"{scheme} {a_token('alice', ('seller', 'operator'))}")
        assert caller.subject == "alice"
        assert caller.roles == {"seller", "operator"}


async def test_a_token_without_roles_has_none(authenticator: Authenticator) -> None:
    assert (await authenticator.authenticate(f"Bearer {a_token(roles=None)}")).roles == frozenset()


async def test_clocks_may_differ_by_a_few_seconds(authenticator: Authenticator) -> None:
    await authenticator.authenticate(f"Bearer {a_token(exp=time.time() - 4)}")
    await authenticator.authenticate(f"Bearer {a_token(nbf=time.time() + 4)}")


async def test_a_token_of_an_issuer_whose_clock_is_ahead_is_valid(authenticator: Authenticator) -> None:
    await authenticator.authenticate(f"Bearer {a_token(iat=time.time() + 900)}")


@pytest.mark.parametrize(
    "authorization",
    [*(f"Bearer {each}" for each in (FORGED | INVALID).values()), *RUBBISH.values()],
    ids=[*(FORGED | INVALID), *RUBBISH],
)
async def test_any_other_authorization_is_refused_every_time(
    authenticator: Authenticator, authorization: str | None
) -> None:
    for _ in range(2):
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(authorization)


@pytest.mark.parametrize("token", [f"{HEADER}.{BODY}.{'A' * 85}", f"{HEADER[:-3]}.{BODY}.{SIGNATURE}"])
async def test_a_token_that_cannot_be_decoded_is_reported_as_broken(authenticator: Authenticator, token: str) -> None:
    with pytest.raises(Unauthorized, match=r"The token is broken or cut off: get a new one\."):
        await authenticator.authenticate(f"Bearer {token}")


@pytest.mark.parametrize("forged", ["no algorithm", "the public key as a shared secret", "RSA", "another curve"])
async def test_a_wrong_algorithm_is_refused_before_a_key_is_looked_up(
    authenticator: Authenticator, keys: FakeKeys, forged: str
) -> None:
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(f"Bearer {FORGED[forged]}")
    assert keys.looked_up == []


async def test_a_verified_token_is_cached_until_it_expires(keys: FakeKeys) -> None:
    now = time.time()
    clock = {"now": now}
    authenticator = Authenticator(ISSUER, AUDIENCE, keys=keys, clock=lambda: clock["now"])
    token = f"Bearer {a_token(exp=now + 60)}"
    assert await authenticator.authenticate(token) == await authenticator.authenticate(token)
    assert len(keys.looked_up) == 1
    clock["now"] = now + 66
    with pytest.raises(Unauthorized, match="expired"):
        await authenticator.authenticate(token)


async def test_a_cached_token_is_verified_again_after_the_keys_changed(
    authenticator: Authenticator, keys: FakeKeys
) -> None:
    token = f"Bearer {a_token()}"
    await authenticator.authenticate(token)
    keys._keys, keys.generation = {"k2": OTHER.public_key()}, 1
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(token)


async def test_the_cache_of_verified_tokens_is_bounded(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def verified(token: str) -> Any:
        return token, time.time() + 60

    monkeypatch.setattr(authenticator, "_verify", verified)
    for number in range(MAX_CACHED_TOKENS + 10):
        await authenticator.authenticate(f"Bearer {number}")
    assert len(authenticator._verified) == MAX_CACHED_TOKENS
