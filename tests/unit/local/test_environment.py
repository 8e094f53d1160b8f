"""Settings that a stack passes on reach the services, and each is read by one of them."""

import pytest
from pydantic_settings import BaseSettings

import cart.settings
import catalog.settings
import checkout.settings
import delivery.settings
import infra.lab.stand_ins.settings
import marketplace_runtime.service.settings
from infra.stack.environment import SETTINGS, STAND_IN_SETTINGS, given_settings

READERS: list[type[BaseSettings]] = [
    cart.settings.Settings,
    catalog.settings.Settings,
    checkout.settings.Deadlines,
    delivery.settings.Deadlines,
    infra.lab.stand_ins.settings.Settings,
    marketplace_runtime.service.settings.Settings,
]


@pytest.mark.parametrize("name", [*SETTINGS, *STAND_IN_SETTINGS])
def test_every_variable_that_is_passed_on_is_read(name: str) -> None:
    assert any(name.lower() in reader.model_fields for reader in READERS)


def test_only_variables_that_are_set_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, *STAND_IN_SETTINGS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_TIMEOUT_S", "3")
    monkeypatch.setenv("PATHOLOGICAL", "1")
    assert given_settings() == {"HTTP_TIMEOUT_S": "3"}
