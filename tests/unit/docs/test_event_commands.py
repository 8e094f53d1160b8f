"""The output of `./marketplace events` and `contracts`."""

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from infra.lab.docs import ServiceWiring

WIDE = {"COLUMNS": "200", "TERM": "dumb"}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.events.console.width", 200)


def run(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, arguments, env=WIDE)
    assert done.exit_code == 0, done.output
    return [" ".join(line.split()) for line in done.output.splitlines()]


@pytest.fixture
def already_read(services: list[ServiceWiring], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.lab.docs.read_wiring", lambda _: services)


@pytest.mark.usefixtures("already_read")
def test_the_list_of_contracts_shows_the_consumers_of_each_version() -> None:
    lines = run("contracts", "ls")
    assert lines[0] == "event publisher version received by deprecated"
    assert "checkout.cancellation-requested checkout v1 delivery.orders" in lines
    assert "catalog.stock-released catalog v1 none" in lines
    assert "checkout.payment-due checkout v1 its own service, when it is due" in lines


def test_the_map_has_a_row_for_each_published_event() -> None:
    lines = run("events", "map")
    assert lines[0] == "event published by received by"
    assert "cart.cart-checked-out.v1 cart checkout.carts" in lines


@pytest.mark.usefixtures("already_read")
def test_the_map_can_be_printed_as_a_diagram() -> None:
    lines = run("events", "map", "--mermaid")
    assert lines[0] == "flowchart LR"
    assert 'cart -->|"CartCheckedOut"| checkout' in lines


def test_the_contract_gate_passes() -> None:
    assert run("contracts", "check")[-1].endswith("0 to be written, 0 refused")
