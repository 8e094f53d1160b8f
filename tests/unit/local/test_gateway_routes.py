"""The routes that services expose become routes of the gateway."""

import json
from typing import Any

import pytest

from infra.stack.errors import LocalError
from infra.stack.gateway import Exposure, GatewaySettings
from infra.stack.gateway.exposure import ExposedRoute
from infra.stack.gateway.routes import route_configuration


def exposed(**services: list[str]) -> str:
    rows = {
        service: [
            {"method": method, "path": path, "needs_token": False, "role": None, "cost": 5}
            for method, path in map(str.split, routes)
        ]
        for service, routes in services.items()
    }
    return json.dumps({"problem_type_prefix": "urn:problem:toy:", "audience": "toy", "services": rows})


def routes(exposure: Exposure, settings: GatewaySettings | None = None) -> list[dict[str, Any]]:
    [resource] = route_configuration(exposure, settings or GatewaySettings())["resources"]
    [host] = resource["virtual_hosts"]
    found: list[dict[str, Any]] = host["routes"]
    return found


def test_what_the_command_prints_is_read() -> None:
    exposure = Exposure.parse(exposed(cart=["GET /carts/{id}"], catalog=[]))
    assert (exposure.problem_type_prefix, exposure.audience) == ("urn:problem:toy:", "toy")
    assert exposure.services == ["cart", "catalog"]
    assert exposure.routes == [ExposedRoute("GET", "/carts/{id}", "cart", needs_token=False, role=None, cost=5)]


@pytest.mark.parametrize("path", ["/carts/{id}", "/carts/{customer}"])
def test_two_services_cannot_expose_the_same_route(path: str) -> None:
    with pytest.raises(LocalError, match=r"cart and delivery both expose GET /carts/\{") as error:
        Exposure.parse(exposed(cart=["GET /carts/{id}"], delivery=[f"GET {path}"]))
    assert "Remove it from `exposed=` of one of them" in error.value.remedy


def test_two_services_can_share_a_path_with_different_methods() -> None:
    exposure = Exposure.parse(exposed(cart=["GET /things/{id}"], delivery=["PUT /things/{thing}"]))
    *served, refusal, _connect, _nothing = routes(exposure)
    assert [each["route"]["cluster"] for each in served] == ["cart", "delivery"]
    assert refusal["direct_response"] == {"status": 405}
    assert refusal["response_headers_to_add"] == [{"header": {"key": "Allow", "value": "GET, PUT"}}]


def test_a_literal_path_comes_first_and_refusals_come_last() -> None:
    exposure = Exposure.parse(exposed(cart=["GET /carts/{id}", "PUT /carts/mine"]))
    first, second, *refusals = routes(exposure)
    assert first["match"]["path"] == "/carts/mine"
    assert second["match"]["safe_regex"] == {"regex": "/carts/[^/]+"}
    assert [each["direct_response"]["status"] for each in refusals] == [405, 405, 404, 404]


def test_a_route_never_costs_more_than_a_client_may_send_at_once() -> None:
    exposure = Exposure.parse(exposed(cart=["GET /carts"]))
    for settings, cost in (
        (GatewaySettings(), 5),
        (GatewaySettings(user_burst=3), 3),
        (GatewaySettings(address_burst=1), 1),
    ):
        assert routes(exposure, settings)[0]["metadata"]["filter_metadata"]["rate_limits"] == {"cost": cost}
