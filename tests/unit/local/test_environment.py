"""What a stack's starter may set reaches the services, and is no word that nobody reads."""

import pytest
from pydantic_settings import BaseSettings

import cart.settings
import catalog.settings
import checkout.settings
import delivery.settings
import infra.lab.stand_ins.settings
import marketplace_runtime.service.settings
from infra.stack.environment import OUTSIDE_DELAYS, SETTINGS, given_settings

READERS: list[type[BaseSettings]] = [
    cart.settings.Settings,
    catalog.settings.Settings,
    checkout.settings.Deadlines,
    delivery.settings.Deadlines,
    infra.lab.stand_ins.settings.Settings,
    marketplace_runtime.service.settings.Settings,
]


@pytest.mark.parametrize("name", [*SETTINGS, *OUTSIDE_DELAYS])
def test_what_is_passed_on_is_read_by_somebody(name: str) -> None:
    assert any(name.lower() in reader.model_fields for reader in READERS)


def test_only_what_is_set_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, *OUTSIDE_DELAYS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_TIMEOUT_S", "3")
    monkeypatch.setenv("PATHOLOGICAL", "1")
    assert given_settings() == {"HTTP_TIMEOUT_S": "3"}
