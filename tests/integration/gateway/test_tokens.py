"""The gateway requires valid tokens and roles."""

import pytest

from tests.integration.gateway.running import Running

SCHEMES = ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer   "]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_valid_token_is_accepted_and_passed_on(gateway: Running, scheme: str) -> None:
    token = gateway.issuer.token("ada")
    answer = await gateway.request("GET", "/mine", headers={"Authorization": scheme + token})
    assert answer.status == 200
    assert answer.seen["authorization"] == f"Bearer {token}"


async def test_a_request_without_a_token_is_refused(gateway: Running) -> None:
    for path in ("/mine", "/mine?access_token=" + gateway.issuer.token(), "/mine?token=" + gateway.issuer.token()):
        answer = await gateway.request("GET", path)
        answer.is_problem(401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_no_token_is_taken_from_elsewhere(gateway: Running) -> None:
    token = gateway.issuer.token()
    for headers in (
        {"Cookie": f"access_token={token}; token={token}"},
        {"X-Authorization": f"Bearer {token}"},
        {"Authorization": token},
        {"Authorization": f"Basic {token}"},
        {"Authorization": f"Bearer\t{token}"},
    ):
        (await gateway.request("GET", "/mine", headers=headers)).is_problem(401, "unauthorized")


async def test_an_invalid_token_is_refused(gateway: Running) -> None:
    for fault, token in gateway.issuer.refused("ada").items():
        answer = await gateway.request("GET", "/mine", token)
        assert answer.status == 401, fault
        answer.is_problem(401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_with_an_invalid_token_a_caller_of_a_public_route_is_anonymous(gateway: Running) -> None:
    for fault, token in gateway.issuer.refused("ada").items():
        answer = await gateway.request("GET", "/public", token)
        assert (answer.status, answer.headers["RateLimit-Policy"].split(";")[0]) == (200, '"address"'), fault
    assert (await gateway.request("GET", "/public")).status == 200


async def test_with_a_valid_token_a_caller_of_a_public_route_is_known(gateway: Running) -> None:
    answer = await gateway.request("GET", "/public", gateway.issuer.token("ada"))
    assert answer.headers["RateLimit-Policy"].startswith('"user";')


async def test_a_clock_may_differ_by_a_few_seconds(gateway: Running) -> None:
    now = gateway.issuer.claims()["iat"]
    assert await gateway.accepts(gateway.issuer.token(exp=now - 2))
    assert await gateway.accepts(gateway.issuer.token(nbf=now + 3))


@pytest.mark.parametrize(
    "roles", [None, [], ["operator"], ["sellers"], ["Seller"], "seller", {"seller": True}, [["seller"]]], ids=str
)
async def test_without_the_role_it_is_forbidden(gateway: Running, roles: object) -> None:
    answer = await gateway.request("POST", "/sell", gateway.issuer.token("ada", roles=roles))
    answer.is_problem(403, "forbidden")
    assert "WWW-Authenticate" not in answer.headers


async def test_the_role_is_one_of_the_tokens_roles(gateway: Running) -> None:
    for roles in (["seller"], ["operator", "seller"]):
        assert (await gateway.request("POST", "/sell", gateway.issuer.token("ada", *roles))).status == 200


async def test_a_role_needs_a_valid_token(gateway: Running) -> None:
    for token in (None, *gateway.issuer.refused("ada", "seller").values()):
        (await gateway.request("POST", "/sell", token)).is_problem(401, "unauthorized")


async def test_no_refused_request_reaches_the_service(gateway: Running) -> None:
    before = len(gateway.echo.requests)
    await gateway.request("GET", "/mine")
    await gateway.request("POST", "/sell", gateway.issuer.token("ada"))
    assert len(gateway.echo.requests) == before
