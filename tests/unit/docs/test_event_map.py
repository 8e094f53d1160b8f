"""The services' tables agree with the event registry, with one another, and with the documents."""

from pathlib import Path

import pytest

from contracts.registry import BY_TYPE, EVENTS
from infra.lab.docs import ServiceWiring, event_map, overview, read_wiring
from infra.lab.docs.wiring import subscribed_queues
from infra.stack import LocalError

ROOT = Path(__file__).parents[3]

SHOP = ServiceWiring("shop", publishes=["shop.shelf-emptied.v1", "shop.shelf-emptied.v2"], subscriptions={})
STORE = ServiceWiring(
    "store", publishes=[], subscriptions={"shelves": ["shop.shelf-emptied.v1"], "others": ["shop.shelf-filled.v1"]}
)


def test_each_service_publishes_its_public_events_of_the_registry(services: list[ServiceWiring]) -> None:
    for service in services:
        own = {event.type for event in EVENTS if event.publisher == service.service and not event.internal}
        assert set(service.publishes) == own


def test_every_event_that_is_consumed_is_published(services: list[ServiceWiring]) -> None:
    assert event_map.unpublished_subscriptions(services) == []
    assert {type for each in services for types in each.subscriptions.values() for type in types} <= BY_TYPE.keys()


def test_the_diagram_in_the_architecture_is_up_to_date(services: list[ServiceWiring]) -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert event_map.with_updated_diagram(page, services) == page, "run: ./marketplace events map --write"


def test_the_picture_of_the_readme_is_up_to_date(services: list[ServiceWiring]) -> None:
    picture = (ROOT / "docs/overview.svg").read_text(encoding="utf-8")
    assert picture == overview(services), "run: ./marketplace events map --write"


def test_a_consumed_event_that_is_never_published_is_reported() -> None:
    assert event_map.unpublished_subscriptions([SHOP, STORE]) == ["store.others subscribes to shop.shelf-filled.v1"]


def test_a_row_names_the_queues_that_get_an_event() -> None:
    assert event_map.rows([SHOP, STORE]) == [
        ("shop.shelf-emptied.v1", "shop", ["store.shelves"]),
        ("shop.shelf-emptied.v2", "shop", []),
    ]
    assert subscribed_queues([SHOP, STORE], "shop.shelf-filled.v1") == ["store.others"]


def test_the_diagram_has_an_arrow_from_publisher_to_consumer() -> None:
    drawn = event_map.mermaid([SHOP, STORE])
    assert '    shop -->|"ShelfEmptied"| store' in drawn
    assert "V2" not in drawn


def test_only_the_text_between_the_markers_is_replaced() -> None:
    page = f"above\n{event_map.BEGIN}\nold\n{event_map.END}\nbelow\n"
    new = event_map.with_updated_diagram(page, [SHOP, STORE])
    assert new.startswith("above\n")
    assert new.endswith(f"{event_map.END}\nbelow\n")
    assert "old" not in new
    assert event_map.with_updated_diagram(new, [SHOP, STORE]) == new


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        event_map.with_updated_diagram("nothing here", [SHOP])


def test_an_unreadable_checkout_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.marketplace]\nservices = ["nobody"]\n')
    with pytest.raises(LocalError, match="can't be loaded"):
        read_wiring(tmp_path)
