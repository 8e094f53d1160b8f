"""The services' tables agree with the catalogue, with one another, and with what is written of them."""

from pathlib import Path

import pytest

from contracts.registry import BY_TYPE, EVENTS
from infra.lab.docs import Wired, event_map, overview, read_wiring
from infra.lab.docs.wiring import hearers
from infra.stack import LocalError

ROOT = Path(__file__).parents[3]

SHOP = Wired("shop", says=["shop.shelf-emptied.v1", "shop.shelf-emptied.v2"], hears={})
STORE = Wired("store", says=[], hears={"shelves": ["shop.shelf-emptied.v1"], "others": ["shop.shelf-filled.v1"]})


def test_each_service_says_what_the_catalogue_lists_as_its_own(services: list[Wired]) -> None:
    for service in services:
        own = {event.type for event in EVENTS if event.publisher == service.service and not event.internal}
        assert set(service.says) == own


def test_every_event_that_is_heard_is_said_by_somebody(services: list[Wired]) -> None:
    assert event_map.unsaid(services) == []
    assert {type for each in services for types in each.hears.values() for type in types} <= BY_TYPE.keys()


def test_the_diagram_in_the_architecture_is_up_to_date(services: list[Wired]) -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert event_map.renewed(page, services) == page, "run: ./marketplace events map --write"


def test_the_picture_of_the_readme_is_up_to_date(services: list[Wired]) -> None:
    picture = (ROOT / "docs/overview.svg").read_text(encoding="utf-8")
    assert picture == overview(services), "run: ./marketplace events map --write"


def test_what_nobody_says_is_noticed() -> None:
    assert event_map.unsaid([SHOP, STORE]) == ["store.others hears shop.shelf-filled.v1"]


def test_a_row_names_the_queues_that_get_an_event() -> None:
    assert event_map.rows([SHOP, STORE]) == [
        ("shop.shelf-emptied.v1", "shop", ["store.shelves"]),
        ("shop.shelf-emptied.v2", "shop", []),
    ]
    assert hearers([SHOP, STORE], "shop.shelf-filled.v1") == ["store.others"]


def test_the_diagram_has_an_arrow_for_what_is_said_and_heard() -> None:
    drawn = event_map.mermaid([SHOP, STORE])
    assert '    shop -->|"ShelfEmptied"| store' in drawn
    assert "V2" not in drawn


def test_only_what_stands_between_the_markers_is_renewed() -> None:
    page = f"above\n{event_map.BEGIN}\nold\n{event_map.END}\nbelow\n"
    new = event_map.renewed(page, [SHOP, STORE])
    assert new.startswith("above\n")
    assert new.endswith(f"{event_map.END}\nbelow\n")
    assert "old" not in new
    assert event_map.renewed(new, [SHOP, STORE]) == new


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the lines"):
        event_map.renewed("nothing here", [SHOP])


def test_a_checkout_without_tables_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.marketplace]\nservices = ["nobody"]\n')
    with pytest.raises(LocalError, match="can't be loaded"):
        read_wiring(tmp_path)
