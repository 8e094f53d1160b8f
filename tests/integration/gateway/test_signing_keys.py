"""The gateway follows the identity provider's keys."""

from pathlib import Path

import pytest

from infra.stack.gateway import GatewaySettings
from tests.integration.gateway.running import running_gateway
from tests.system.marketplace import until


async def test_while_the_keys_were_never_fetched_tokens_cannot_be_judged(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, issuer_is_down=True) as gateway:
        token = gateway.issuer.token("ada")
        answer = await gateway.request("GET", "/mine", token)
        answer.is_problem(503, "unavailable")
        assert answer.headers["Retry-After"] == "2"
        assert "WWW-Authenticate" not in answer.headers
        assert (await gateway.request("GET", "/public", token)).status == 200
        (await gateway.request("GET", "/mine")).is_problem(401, "unauthorized")

        gateway.issuer.is_down = False
        await until(lambda: gateway.accepts(token), 3)


@pytest.mark.slow  # keys have to be fetched again
async def test_keys_are_rotated_with_an_overlap_and_kept_while_the_issuer_is_down(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, GatewaySettings(key_refresh_s=1)) as gateway:
        issuer, before = gateway.issuer, 0

        async def refuses(token: str) -> bool:
            return not await gateway.accepts(token)

        async def fetched_again() -> bool:
            return issuer.fetches > before + 1

        await gateway.wait_for_keys()
        old, new = issuer.token("ada", kid="old"), issuer.token("ada", kid="new")
        assert await gateway.accepts(old)
        assert not await gateway.accepts(new)

        issuer.published = ["old", "new"]
        await until(lambda: gateway.accepts(new), 10)
        assert await gateway.accepts(old)

        issuer.published = ["new"]
        await until(lambda: refuses(issuer.token("bob", kid="old")), 10)
        assert await gateway.accepts(new)

        issuer.is_down = True
        before = issuer.fetches
        await until(fetched_again, 10)
        assert await gateway.accepts(issuer.token("bob", kid="new"))
