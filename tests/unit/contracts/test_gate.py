"""The gate and its commands, with golden schemas in a temporary folder."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from contracts.__main__ import main
from contracts.gate import SCHEMAS, Verdict, explain, golden_file, golden_schema, review, write_golden_schemas
from contracts.registry import EVENTS
from marketplace_runtime.events import Event

ORDER_PLACED = "checkout.order-placed.v1"


class ShelfEmptiedV1(Event, type="shop.shelf-emptied.v1", key="shelf_id"):
    """The shelf is empty."""

    shelf_id: str
    items: int = Field(ge=0)


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    """Return a copy of the golden schemas, which agree with the events."""
    return Path(shutil.copytree(SCHEMAS, tmp_path / "schemas"))


@pytest.fixture
def edit(schemas: Path) -> Callable[[str, Callable[[dict[str, Any]], object]], None]:
    """Return a function that changes one golden schema, as if the class had been different when it was written."""

    def apply(event_type: str, change: Callable[[dict[str, Any]], object]) -> None:
        file = golden_file(event_type, schemas)
        schema = json.loads(file.read_text())
        change(schema)
        file.write_text(json.dumps(schema))

    return apply


def test_a_new_event_gets_its_golden_schema_and_then_agrees(tmp_path: Path) -> None:
    (first,) = review([ShelfEmptiedV1], tmp_path)
    assert first.verdict is Verdict.NEW
    assert "python -m contracts write" in explain(first)

    (file,) = write_golden_schemas([first], tmp_path)

    assert file.name == "shop.shelf-emptied.v1.json"
    assert json.loads(file.read_text())["x-event"] == {
        "type": ShelfEmptiedV1.type,
        "key": "shelf_id",
        "internal": False,
    }
    assert [each.verdict for each in review([ShelfEmptiedV1], tmp_path)] == [Verdict.AGREES]


def test_writing_golden_schemas_twice_gives_the_same_files(tmp_path: Path) -> None:
    (again, once) = (
        write_golden_schemas(review(EVENTS, tmp_path / name), tmp_path / name) for name in ("again", "once")
    )
    assert [each.read_bytes() for each in again] == [each.read_bytes() for each in once]


def test_the_order_of_keys_in_a_golden_schema_does_not_matter(tmp_path: Path) -> None:
    backwards = dict(reversed(golden_schema(ShelfEmptiedV1).items()))
    golden_file(ShelfEmptiedV1.type, tmp_path).write_text(json.dumps(backwards))
    (reviewed,) = review([ShelfEmptiedV1], tmp_path)
    assert reviewed.verdict is Verdict.AGREES


def test_check_accepts_today_s_events(schemas: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--events-only"], schemas) == 0
    assert capsys.readouterr().out == (
        f"{len(EVENTS)} events agree with their golden schemas, 0 to be written, 0 refused\n"
    )


def test_an_optional_addition_passes_the_check_and_is_written(
    schemas: Path, edit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("catalog.stock-rejected.v1", lambda schema: schema["$defs"]["RejectedLine"]["properties"].pop("price"))

    assert main(["check", "--events-only"], schemas) == 0
    assert "changed compatibly" in capsys.readouterr().out
    assert main(["write", "--events-only"], schemas) == 0
    assert "1 golden schemas written, 0 refused" in capsys.readouterr().out
    assert {each.verdict for each in review(EVENTS, schemas)} == {Verdict.AGREES}


def test_a_breaking_change_is_reported_with_field_reason_and_remedy(
    schemas: Path, edit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(ORDER_PLACED, lambda schema: schema["$defs"]["Line"]["properties"]["quantity"].update(maximum=100))
    before = golden_file(ORDER_PLACED, schemas).read_bytes()

    for command in ("check", "write"):
        assert main([command, "--events-only"], schemas) == 1
        output = capsys.readouterr().out
        assert "checkout.order-placed.v1 (OrderPlacedV1): breaks its contract" in output
        assert "lines[].quantity: `maximum` changed from 100 to 1000" in output
        assert "deployed consumers refuse new events" in output
        assert 'class OrderPlacedV2(Event, type="checkout.order-placed.v2", key="order_id"): ...' in output
    assert golden_file(ORDER_PLACED, schemas).read_bytes() == before


def test_a_refused_event_does_not_prevent_writing_other_schemas(schemas: Path, edit: Any) -> None:
    edit(ORDER_PLACED, lambda schema: schema["required"].remove("total"))
    golden_file("checkout.payment-due.v1", schemas).unlink()

    assert main(["write", "--events-only"], schemas) == 1
    assert golden_file("checkout.payment-due.v1", schemas).exists()


def test_internal_events_are_checked_too_since_they_are_stored(
    schemas: Path, edit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    edit("checkout.payment-due.v1", lambda schema: schema["properties"]["order_id"].pop("format"))
    assert main(["check", "--events-only"], schemas) == 1
    output = capsys.readouterr().out
    assert 'class PaymentDueV2(Event, type="checkout.payment-due.v2", key="order_id", internal=True): ...' in output
    assert "Let checkout consume both versions" in output


def test_removing_an_event_is_refused(schemas: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golden_file("checkout.order-lost.v1", schemas).write_text("{}")
    assert main(["check", "--events-only"], schemas) == 1
    assert "checkout.order-lost.v1: breaks its contract\n    the event: event removed" in capsys.readouterr().out


@pytest.mark.parametrize("rubbish", [b"<<<<<<< HEAD\n{}", b"[]", b"\xff", b""])
def test_an_unreadable_golden_schema_is_refused_and_left_unchanged(
    schemas: Path, rubbish: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    golden_file(ORDER_PLACED, schemas).write_bytes(rubbish)
    assert main(["write", "--events-only"], schemas) == 1
    assert "Restore contracts/schemas/checkout.order-placed.v1.json from version control" in capsys.readouterr().out
    assert golden_file(ORDER_PLACED, schemas).read_bytes() == rubbish


def test_ls_lists_each_event_with_key_class_and_whether_it_is_internal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 0
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split() for row in rows] == [
        [each.type, each.key, each.__name__, *["internal"] * each.internal]
        for each in sorted(EVENTS, key=lambda each: each.type)
    ]


def test_a_deprecation_is_a_compatible_change(tmp_path: Path) -> None:
    write_golden_schemas(review([ShelfEmptiedV1], tmp_path), tmp_path)

    class OldShelfEmptiedV1(ShelfEmptiedV1, type=ShelfEmptiedV1.type, key="shelf_id", deprecated=date(2030, 1, 31)):
        """The shelf is empty."""

    (now,) = review([OldShelfEmptiedV1], tmp_path)
    assert now.verdict is Verdict.CHANGED
    (file,) = write_golden_schemas([now], tmp_path)
    assert json.loads(file.read_text())["x-event"]["deprecated"] == "2030-01-31"
