"""The documentation site contains every page, event and route, and needs no network."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from contracts.registry import EVENTS
from infra.lab.docs import ServiceWiring, build
from infra.lab.docs.http_pages import http_pages
from infra.lab.docs.markdown import describe_type, fields, table
from infra.lab.docs.runtime_pages import runtime_pages
from infra.lab.docs.site import CONTENTS, RUNTIME, build_site, prepare_page, written_pages
from infra.stack import LocalError

ROOT = Path(__file__).parents[3]
PAGE = PurePosixPath("docs/page.md")
ITEM = {
    "type": "object",
    "properties": {"product_id": {"type": "string", "format": "uuid"}},
    "required": ["product_id"],
}
API = {
    "components": {"schemas": {"Item": ITEM}, "responses": {"Gone": {"description": "Gone"}}},
    "paths": {
        "/items": {
            "get": {
                "summary": "Items",
                "description": "List the items.",
                "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 9}}],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
                            }
                        }
                    },
                    "410": {"$ref": "#/components/responses/Gone"},
                },
            }
        },
        "/ops/counts": {"get": {"summary": "Counts", "responses": {"200": {}}}},
        "/livez": {"get": {"summary": "Live", "responses": {"200": {}}}},
    },
}


def test_every_written_page_is_in_the_sidebar() -> None:
    listed = {f"{page}.md" for pages in CONTENTS.values() for page in pages}
    written = {path for path in written_pages(ROOT) if not path.startswith("docs/adr/")}
    assert written - listed == {"index.md"}
    assert {path for path in listed - written if not path.startswith("reference/")} == set()


def test_links_to_pages_are_kept_and_links_to_code_become_text() -> None:
    pages = {"index.md": "", "docs/other.md": "", "reference/runtime/outbox.md": ""}
    text = "[a](other.md#part) [b](../README.md) [c](../cart) [d](https://example.org) ![e](e.svg) [f](#part)"
    expected = "[a](other.md#part) [b](../index.md) c [d](https://example.org) ![e](e.svg) [f](#part)"
    assert prepare_page(text, PAGE, pages, []) == expected
    link = f"[R/outbox](../{RUNTIME}/outbox/relay.py)"
    assert prepare_page(link, PAGE, pages, []) == "[R/outbox](../reference/runtime/outbox.md)"


def test_diagrams_are_converted_to_a_form_without_scripts() -> None:
    chart = "```mermaid\nflowchart LR\n    a --> b\n```\n"
    assert "<svg" in prepare_page(chart, PAGE, {}, [ServiceWiring("shop", [], {})])
    steps = "```mermaid\nsequenceDiagram\n    actor C as Customer\n    C->>cart: buy\n    cart-->>C: 202\n```\n"
    assert "| Customer | cart | buy |\n| cart | Customer | 202 |" in prepare_page(steps, PAGE, {}, [])


def test_a_cell_with_a_bar_or_a_line_break_stays_one_cell() -> None:
    assert table(["x"], [["a|b\nc"]]).splitlines()[-1] == "| a\\|b c |"


def test_fields_are_listed_at_any_depth() -> None:
    order = {"properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}}
    rows = fields(order, API).splitlines()[2:]
    assert rows == ["| `items[]` | object | optional |  |", "| `items[].product_id` | uuid |  |  |"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer ≥ 1 ≤ 9"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
    ],
)
def test_the_kind_of_a_value_is_described_in_a_few_words(schema: dict[str, Any], words: str) -> None:
    assert describe_type(schema) == words


def test_each_service_has_a_page_of_its_routes_and_operator_routes_share_one() -> None:
    pages = http_pages({"shop": API, "store": API})
    assert pages.keys() == {f"reference/http/{name}.md" for name in ("index", "shop", "store", "operators")}
    shop, operators = pages["reference/http/shop.md"], pages["reference/http/operators.md"]
    assert "## GET `/items`\n\nList the items." in shop
    assert "| `limit` | query | integer ≤ 9 | optional |  |" in shop
    assert "| `product_id` | uuid |  |  |" in shop
    assert "**Problems:** 410 Gone" in shop
    assert "/ops/counts" not in shop
    assert "/livez" not in shop
    assert operators.count("## GET `/ops/counts`") == 1


def test_each_package_of_the_runtime_has_a_page() -> None:
    pages = runtime_pages(ROOT / RUNTIME)
    assert "automodule:: marketplace_runtime.consumer\n" in pages["reference/runtime/consumer.md"]
    assert ":exclude-members: Reject, RetryLater\n" in pages["reference/runtime/scheduler.md"]


@pytest.mark.slow
def test_the_built_site_is_complete_and_loads_nothing_from_a_network(
    services: list[ServiceWiring], tmp_path: Path
) -> None:
    index, *_ = build(EVENTS, services, ROOT, tmp_path)
    for page in tmp_path.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|link)\b[^>]*\b(?:src|href)=\"([^\"]*)\"", text)
        assert [each for each in loaded if each.startswith(("http:", "https:", "//"))] == [], page
    assert 'href="reference/events/index.html"' in index.read_text()
    for event in (event for event in EVENTS if not event.internal):
        assert event.type in (tmp_path / f"reference/events/{event.publisher}.html").read_text()
    assert "marketplace_runtime.consumer.subscription" in (tmp_path / "reference/runtime/consumer.html").read_text()
    assert (tmp_path / "searchindex.js").stat().st_size > 100_000
    assert (tmp_path / "asyncapi.json").exists()


@pytest.mark.slow
def test_a_link_without_a_target_fails_the_build(services: list[ServiceWiring], tmp_path: Path) -> None:
    pages = {f"{page}.md": f"# {page}" for page in CONTENTS["Reference"] if page.startswith("reference/")}
    pages["reference/http/index.md"] += "\n\n[lost](#no-such-place)"
    with pytest.raises(LocalError, match="no-such-place"):
        build_site(ROOT, pages, services, tmp_path)
