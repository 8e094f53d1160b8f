"""Envoy accepts every variant of the generated configuration, without warnings."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from infra.stack import services_of
from infra.stack.gateway import Configuration, Exposure, GatewaySettings
from infra.stack.gateway.exposure import ExposedRoute
from infra.stack.layout import CHECKOUT
from tests.integration.gateway.envoy import run_validation, validate

TOY = Exposure("urn:problem:toy:", "toy", ["a"], [ExposedRoute("GET", "/a/{id}", "a", False, None, 1)])
VARIANTS = {
    "defaults": GatewaySettings(),
    "one request per second": GatewaySettings(user_rate=1, user_burst=1, address_rate=1, address_burst=1),
    "odd rates": GatewaySettings(user_rate=7, user_burst=3, address_rate=999_983, address_burst=1_000_000),
    "two origins": GatewaySettings(cors_origins=("https://shop.example", "http://localhost:3000")),
    "few connections": GatewaySettings(max_connections=1),
}


@pytest.fixture(scope="module")
def marketplace() -> Exposure:
    command = [sys.executable, "-m", "marketplace_runtime", "exposed", *services_of(CHECKOUT)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout
    return Exposure.parse(printed)


def configuration(directory: Path, settings: GatewaySettings | None = None) -> Configuration:
    return Configuration(
        directory=directory,
        stack="toy",
        settings=settings or GatewaySettings(),
        issuer="http://127.0.0.1:9/identity",
        http_port=1,
        tls_port=2,
        admin_port=3,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_envoy_accepts_the_routes_of_this_marketplace(tmp_path: Path, marketplace: Exposure, variant: str) -> None:
    validate(configuration(tmp_path, VARIANTS[variant]), marketplace)


@pytest.mark.parametrize(
    "routes",
    [
        [],
        [ExposedRoute("GET", "/a", "a", False, None, 0)],
        [ExposedRoute("POST", "/a/{one}/b.c/{two}", "a", True, "seller", 5)],
        [ExposedRoute("GET", "/a/{id}", "a", False, None, 1), ExposedRoute("PUT", "/a/{id}", "a", True, None, 1)],
    ],
    ids=["none", "without a limit", "with a role", "two methods"],
)
def test_envoy_accepts_every_kind_of_route(tmp_path: Path, routes: list[ExposedRoute]) -> None:
    validate(configuration(tmp_path), replace(TOY, routes=routes))


def test_envoy_accepts_an_application_without_services(tmp_path: Path) -> None:
    validate(configuration(tmp_path), replace(TOY, services=[], routes=[]))


def test_the_validation_finds_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"admin": {"address": {"socket_address": {"address": "127.0.0.1"}}}}))
    assert run_validation(broken).returncode != 0
