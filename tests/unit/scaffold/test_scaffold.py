"""A new service or event works at once. A refused or failed one leaves nothing behind."""

import json
from pathlib import Path

import pytest

from contracts.registry import EVENTS
from infra.lab.scaffold import Refused, new_event, new_service
from tests.unit.scaffold.copies import ROOT, a_copy, contents, run

TYPES = [event.type for event in EVENTS]
HEARS = ["checkout.order-confirmed", "catalog.product-listed.v1", "catalog.stock-reserved"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_new_service_passes_its_tests(tmp_path: Path) -> None:
    checkout = a_copy(tmp_path)
    plan = new_service(checkout, "ratings", subscribes=HEARS[:1], publishes=["ratings.order-rated"], events=EVENTS)
    plan.carry_out()
    run(checkout, "ruff", "check", "--no-cache", "ratings", "contracts", "tests/unit/ratings")
    run(checkout, "ruff", "format", "--no-cache", "--check", "ratings", "contracts", "tests/unit/ratings")
    run(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/ratings", "tests/unit/docs/test_event_map.py")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_new_service_passes_every_linter_and_architecture_rule(tmp_path: Path) -> None:
    checkout = a_copy(tmp_path)
    says = ["--says", "recommendations.basket-known"]
    hears = [word for event in HEARS for word in ("--hears", event)]
    run(checkout, "infra.cli", "new", "service", "recommendations", *hears, *says, "--http", "--history", "first")
    run(checkout, "infra.cli", "new", "event", "recommendations.taste-changed", "--key", "customer_id")
    service = checkout / "recommendations" / "service.py"
    service.write_text(
        service.read_text().replace("publishes=[BasketKnownV1", "publishes=[BasketKnownV1, TasteChangedV1")
    )
    service.write_text(service.read_text().replace("import BasketKnownV1", "import BasketKnownV1, TasteChangedV1"))
    run(checkout, "infra.cli", "events", "map", "--write")

    run(checkout, "ruff", "check", ".")
    run(checkout, "ruff", "format", "--check", ".")
    run(checkout, "importlinter.cli", "lint")
    run(checkout, "contracts", "check")
    run(
        *(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/recommendations", "tests/unit/docs"),
        *("tests/unit/test_architecture.py", "tests/contracts/test_goldens.py", "tests/contracts/test_events.py"),
        "tests/contracts/test_http_goldens.py",
    )
    schema = json.loads((checkout / "contracts/schemas/recommendations.taste-changed.v1.json").read_text())
    assert schema["x-event"] == {"type": "recommendations.taste-changed.v1", "key": "customer_id", "internal": False}
    assert "recommendations" in (checkout / "ARCHITECTURE.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minimal_service_and_next_versions_of_events_pass_their_checks(tmp_path: Path) -> None:
    checkout = a_copy(tmp_path)
    run(checkout, "infra.cli", "new", "service", "ratings", "--subscribes", "delivery.shipment-delivered")
    about = ["--subscribes", "notifications.notification-sent", "--publishes", "readers.mail-read"]
    run(checkout, "infra.cli", "new", "service", "readers", *about)
    run(checkout, "infra.cli", "new", "event", "cart.cart-abandoned.v2")
    run(checkout, "infra.cli", "new", "event", "cart.cart-abandoned.v3")
    run(checkout, "infra.cli", "new", "event", "checkout.payment-due.v2")
    run(checkout, "ruff", "check", ".")
    run(checkout, "ruff", "format", "--check", ".")
    run(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/ratings", "tests/unit/readers")
    run(checkout, "mypy", "contracts")
    contracts = ("tests/contracts/test_events.py", "tests/contracts/test_upcasts.py", "tests/contracts/test_goldens.py")
    run(checkout, "pytest", "-q", "-p", "no:cacheprovider", *contracts)
    assert not (checkout / "ratings" / "api.py").exists()


@pytest.mark.parametrize(
    ("name", "hears", "says", "why"),
    [
        ("Ratings", HEARS, [], "can't be a service's name"),
        ("my-service", HEARS, [], "can't be a service's name"),
        ("a" * 40, HEARS, [], "can't be a service's name"),
        ("checkout", HEARS, [], "There is a service called checkout already"),
        ("json", HEARS, [], "is taken"),
        ("pydantic", HEARS, [], "is taken"),
        ("docs", HEARS, [], "is taken"),
        ("broker", HEARS, [], "is taken"),
        ("ratings", ["checkout.order-archived"], [], r"There is no event checkout.order-archived"),
        ("ratings", ["checkout.order-placed.v9"], [], r"There is no event checkout.order-placed.v9"),
        ("ratings", ["checkout.payment-due"], [], "There is no event"),
        ("ratings", ["order placed"], [], "is not an event's name"),
        ("ratings", [], [], "ratings would not subscribe to any event"),
        ("ratings", HEARS, ["checkout.order-rated"], "can't publish checkout.order-rated"),
        ("ratings", HEARS, ["ratings.Rated"], "is not an event's name"),
    ],
)
def test_an_invalid_service_is_refused(name: str, hears: list[str], says: list[str], why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        new_service(ROOT, name, subscribes=hears, publishes=says, events=EVENTS)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("type", "key", "why"),
    [
        ("checkout.order-placed", None, r"There is an event checkout.order-placed.v1 already"),
        ("checkout.order-placed.v3", None, r"There is an event checkout.order-placed.v1 already"),
        ("checkout.order-placed.v2", "customer_id", "has the same key"),
        ("ratings.order-rated", None, "There is no service called ratings"),
        ("order-rated", None, "is not an event's name"),
        ("checkout.OrderRated", None, "is not an event's name"),
        ("checkout.order-rated", "order id", "can't be a field's name"),
    ],
)
def test_an_invalid_event_is_refused(type: str, key: str | None, why: str) -> None:
    with pytest.raises(Refused, match=why) as refused:
        new_event(ROOT, type, types=TYPES, key=key)
    assert refused.value.remedy


def test_the_error_for_an_existing_event_names_its_next_version() -> None:
    with pytest.raises(Refused) as refused:
        new_event(ROOT, "checkout.order-placed", types=[*TYPES, "checkout.order-placed.v2"])
    assert refused.value.remedy.endswith("new event checkout.order-placed.v3")


def test_the_next_version_copies_the_fields_adds_an_upcast_and_deprecates_the_old(tmp_path: Path) -> None:
    checkout = a_copy(tmp_path)
    new_event(checkout, "cart.cart-abandoned.v2", types=TYPES).carry_out()
    old, new = (json.loads((checkout / f"contracts/schemas/cart.cart-abandoned.v{n}.json").read_text()) for n in "12")
    assert old["properties"] == new["properties"]
    assert "deprecated" in old["x-event"]
    assert new["x-event"] == {"type": "cart.cart-abandoned.v2", "key": "customer_id", "internal": False}
    assert (
        "def cart_abandoned_v2(old: CartAbandonedV1) -> CartAbandonedV2:"
        in (checkout / "contracts" / "upcasts.py").read_text()
    )


def test_a_failed_step_leaves_no_changes(tmp_path: Path) -> None:
    checkout = a_copy(tmp_path)
    before = contents(checkout)
    plan = new_service(
        checkout, "ratings", subscribes=HEARS, publishes=["ratings.order-rated"], http=True, events=EVENTS
    )
    plan.commands.append(("no_such_module",))
    with pytest.raises(Refused, match="nothing was kept"):
        plan.carry_out()
    assert contents(checkout) == before
    assert not (checkout / "ratings").exists()
