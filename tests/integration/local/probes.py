"""Checks that tests are isolated from the machine; `test_hostile_machine.py` runs them in a hostile environment."""

import os
from pathlib import Path

from infra.stack import CHECKOUT, is_up, provide, required_kinds, services_of
from infra.stack.environment import given_settings
from infra.stack.layout import default_name, layout
from tests.integration.outside.outside_process import OutsideProcess


def test_servers_are_the_installed_programs() -> None:
    providers = provide(required_kinds(services_of(CHECKOUT)), print)
    assert {provider.value for provider in providers.values()} == {"host"}


def test_tests_find_no_stack_of_the_machine() -> None:
    assert layout().name == default_name(CHECKOUT)
    assert not is_up(layout())


async def test_programs_inherit_no_settings_of_the_shell(tmp_path: Path) -> None:
    assert given_settings() == {}
    async with OutsideProcess(tmp_path):
        pass


def test_client_libraries_are_not_configured_by_the_shell() -> None:
    """asyncpg reads PG…, aio-pika's tracing reads OTEL_…, and RabbitMQ's scripts read the others."""
    read = ("MARKETPLACE_", "PG", "OTEL_", "RABBITMQ_", "ERL_", "http_")
    assert {name for name in os.environ if name.startswith(read)} == {"MARKETPLACE_PROVIDER", "MARKETPLACE_STATE_HOME"}
