"""Two runs are compared without times and without the ids that a service generates."""

from marketplace_runtime.testing.comparison import comparable, differences, ids_in, published_in

ORDER, OTHER = "01930000-0000-7000-8000-000000000001", "01930000-0000-7000-8000-000000000002"


def test_times_and_generated_ids_are_replaced() -> None:
    row = {"order_id": ORDER, "shipment_id": OTHER, "at": "2026-01-01T12:00:00.5+00:00", "on": "2026-01-01 12:00:00Z"}
    assert comparable(row, {ORDER}) == (
        f'{{"at": "<time>", "on": "<time>", "order_id": "{ORDER}", "shipment_id": "<id>"}}'
    )


def test_a_known_id_within_a_text_is_kept() -> None:
    assert comparable([f"ada:{ORDER}:{OTHER}"], {ORDER}) == f'["ada:{ORDER}:<id>"]'
    assert ids_in(f"ada:{ORDER}:{OTHER}") == [ORDER, OTHER]


def test_the_number_of_equal_rows_matters() -> None:
    once, twice = {"published events": ["a", "b"]}, {"published events": ["a", "b", "b"]}
    assert differences(once, once) == []
    assert differences(once, twice) == ["  published events: + b"]
    assert differences(twice, once) == ["  published events: - b"]


def test_the_comparison_can_be_limited_to_published_events() -> None:
    assert published_in({"orders": ["a"], "published events": ["b"]}) == {"published events": ["b"]}
