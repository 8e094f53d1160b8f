"""Fetches token keys over HTTP from an identity provider that may be down, slow, wrong or hostile."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from marketplace_runtime.database import Database
from marketplace_runtime.http import Authenticator, Unavailable
from marketplace_runtime.http.problems import Unauthorized
from marketplace_runtime.http.signing_keys import MIN_REFETCH_INTERVAL_S, TASK_NAME, SigningKeys
from marketplace_runtime.resilience import DeadlineExceeded, within
from tests.integration.http.conftest import served


@dataclass
class Provider:
    """A small identity provider whose answers a test controls."""

    private: dict[str, ec.EllipticCurvePrivateKey]
    issuer: str = ""
    discovered_issuer: str | None = None
    up: bool = True
    asked: int = 0
    more: list[Any] = field(default_factory=list)
    """Additional keys."""
    padding: str = ""
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    async def discovery(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.answering.wait()
        if not self.up:
            return web.Response(status=503)
        issuer = self.discovered_issuer or self.issuer
        return web.json_response({"issuer": issuer, "jwks_uri": f"{self.issuer}/jwks.json"})

    async def jwks(self, _: web.Request) -> web.Response:
        ours = [
            json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "ES256"}
            for kid, key in self.private.items()
        ]
        return web.json_response({"keys": [*self.more, *ours], "padding": self.padding})

    def token(self, kid: str, key: ec.EllipticCurvePrivateKey | None = None, *, subject: str = "alice") -> str:
        claims = {"iss": self.issuer, "aud": "marketplace", "exp": 4_000_000_000, "sub": subject}
        signed = jwt.encode(claims, key or self.private[kid], algorithm="ES256", headers={"kid": kid})
        return f"Bearer {signed}"


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider({"k1": a_key()})
    app = web.Application()
    app.router.add_get("/identity/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/identity/jwks.json", provider.jwks)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}/identity"
    yield provider
    await runner.cleanup()


async def test_a_token_is_accepted_right_after_start(provider: Provider) -> None:
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        assert (await authenticator.authenticate(provider.token("k1"))).subject == "alice"
        assert provider.asked == 1


async def test_a_service_starts_without_the_provider_and_answers_503(provider: Provider) -> None:
    provider.up = False
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        with pytest.raises(Unavailable) as caught:
            await authenticator.authenticate(provider.token("k1"))
        assert int(caught.value.headers["Retry-After"]) > 0
        provider.up = True
        async with asyncio.timeout(10):
            while True:  # it retries by itself, and soon
                try:
                    await authenticator.authenticate(provider.token("k1"))
                except Unavailable:
                    await asyncio.sleep(0.02)
                else:
                    break


async def test_known_tokens_are_accepted_while_the_provider_is_down(provider: Provider) -> None:
    clock = Clock()
    keys = SigningKeys(provider.issuer, clock=clock)
    async with Authenticator(provider.issuer, "marketplace", keys=keys) as authenticator:
        await authenticator.authenticate(provider.token("k1"))
        provider.up = False
        clock.now += MIN_REFETCH_INTERVAL_S
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(provider.token("k2", a_key()))
        assert provider.asked == 2
        assert (await authenticator.authenticate(provider.token("k1", subject="bob"))).subject == "bob"


async def test_unknown_key_ids_cause_one_fetch_in_ten_seconds(provider: Provider) -> None:
    clock = Clock()
    async with Authenticator(
        provider.issuer, "marketplace", keys=SigningKeys(provider.issuer, clock=clock)
    ) as authenticator:
        await authenticator.authenticate(provider.token("k1"))
        clock.now += MIN_REFETCH_INTERVAL_S
        forged = [authenticator.authenticate(provider.token(f"x{n}", a_key())) for n in range(20)]
        results = await asyncio.gather(*forged, return_exceptions=True)
        assert all(isinstance(result, Unauthorized) for result in results)
        assert provider.asked == 2
        clock.now += MIN_REFETCH_INTERVAL_S - 0.1
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(provider.token("x", a_key()))
        assert provider.asked == 2


async def test_a_timed_out_request_does_not_cancel_the_fetch_of_keys(provider: Provider) -> None:
    clock = Clock()
    async with Authenticator(
        provider.issuer, "marketplace", keys=SigningKeys(provider.issuer, clock=clock)
    ) as authenticator:
        await authenticator.authenticate(provider.token("k1"))
        with pytest.raises(Unauthorized):  # it waits for the fetch that was started in the background
            await authenticator.authenticate(provider.token("x", a_key()))
        asked, provider.private = provider.asked, {"k2": a_key()}
        clock.now += MIN_REFETCH_INTERVAL_S
        provider.answering.clear()
        with pytest.raises(DeadlineExceeded):
            async with within(0.05):
                await authenticator.authenticate(provider.token("x", a_key()))
        provider.answering.set()
        assert (await authenticator.authenticate(provider.token("k2"))).subject == "alice"
        assert provider.asked == asked + 1


async def test_a_rotated_key_is_found_and_tokens_of_the_old_one_are_refused(provider: Provider) -> None:
    clock = Clock()
    async with Authenticator(
        provider.issuer, "marketplace", keys=SigningKeys(provider.issuer, clock=clock)
    ) as authenticator:
        old = provider.token("k1")
        await authenticator.authenticate(old)
        provider.private = {"k2": a_key()}
        clock.now += MIN_REFETCH_INTERVAL_S
        await authenticator.authenticate(provider.token("k2"))
        with pytest.raises(Unauthorized):
            await authenticator.authenticate(old)


async def test_a_running_service_refuses_tokens_of_a_key_that_was_replaced_under_its_id(
    provider: Provider, database: Database
) -> None:
    clock = Clock()
    keys = SigningKeys(provider.issuer, clock=clock)
    async with (
        Authenticator(provider.issuer, "marketplace", keys=keys) as authenticator,
        served(database, authenticator=authenticator) as web,
    ):

        async def status(token: str) -> int:
            return (await web.post("/notes", {"id": uuid4().hex}, {"Authorization": token})).status

        old_key = provider.private["k1"]
        remembered, not_seen_before = provider.token("k1"), provider.token("k1", old_key, subject="bob")
        assert [await status(remembered) for _ in range(2)] == [201, 201]  # the keys have arrived by the second
        provider.private = {"k1": a_key()}
        clock.now += MIN_REFETCH_INTERVAL_S
        assert await status(provider.token("k2", a_key())) == 401  # an unknown key id: the keys are fetched again
        assert await status(remembered) == 401
        assert await status(not_seen_before) == 401
        assert await status(provider.token("k1")) == 201


async def test_a_discovery_document_of_another_issuer_is_refused(provider: Provider) -> None:
    provider.discovered_issuer = "http://evil.test/identity"
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        with pytest.raises(Unavailable):
            await authenticator.authenticate(provider.token("k1"))


async def test_an_oversized_answer_is_not_read_completely(provider: Provider) -> None:
    provider.padding = "x" * 300_000
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        with pytest.raises(Unavailable):
            await authenticator.authenticate(provider.token("k1"))


async def test_keys_of_other_kinds_are_ignored(provider: Provider) -> None:
    provider.more = [
        {"kty": "RSA", "kid": "rsa", "n": "x", "e": "AQAB"},
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        {"kty": "EC", "kid": "broken", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "encrypts", "use": "enc", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "p384", "crv": "P-384", "x": "AA", "y": "AA"},
    ]
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        await authenticator.authenticate(provider.token("k1"))


@pytest.mark.parametrize("unreadable", [None, "k1", {"kty": "EC", "kid": "odd", "crv": "P-256", "x": 5, "y": 5}])
async def test_an_unreadable_key_does_not_affect_the_others(provider: Provider, unreadable: object) -> None:
    provider.more = [unreadable]
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        await authenticator.authenticate(provider.token("k1"))


async def test_nothing_is_left_running_after_close(provider: Provider) -> None:
    def fetching() -> set[asyncio.Task[object]]:
        return {task for task in asyncio.all_tasks() if task.get_name() == TASK_NAME}

    before = fetching()
    async with Authenticator(provider.issuer, "marketplace") as authenticator:
        await authenticator.authenticate(provider.token("k1"))
        assert fetching() > before
    assert fetching() == before
