"""A run's page needs no other files, shows the verdict, and escapes all text."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from infra.lab.report import standalone_svg
from infra.lab.report.figure import figure
from infra.lab.report.page import page
from tests.unit.report.runs import a_run

HOSTILE = '<script>alert("x")</script>'


class Links(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {"src", "href", "xlink:href", "data", "action"}
        self.found += [f"{tag} {name}" for name, _ in attributes if name in names or name.startswith("on")]
        self.found += [tag] if tag in ("script", "link", "iframe", "object", "embed") else []


def test_a_page_loads_nothing() -> None:
    html = page(a_run())
    links = Links()
    links.feed(html)
    assert links.found == []
    assert not re.search(r"url\(|@import|https?://", html)


def test_all_text_is_escaped() -> None:
    run = a_run(title=HOSTILE, about=HOSTILE, reasons=[HOSTILE], verdict="fail")
    run["violations"] = [{"invariant": HOSTILE, "evidence": {"order": HOSTILE}}]
    run["faults"][0] |= {"part": HOSTILE, "bite": HOSTILE}
    run["faults"][1] |= {"bite": None, "failure": HOSTILE}
    run["timeline"]["queues"] = {HOSTILE: run["timeline"]["queues"]["cart"]}
    run["audited"] = {HOSTILE: 1}
    html = page(run)
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 8
    assert "<script" not in standalone_svg(run)


@pytest.mark.parametrize("verdict", ["pass", "fail", "unknown"])
def test_a_page_shows_the_verdict_and_the_evidence(verdict: str) -> None:
    violations = [{"invariant": "never-oversold", "evidence": {"product": "p-17"}}] if verdict == "fail" else []
    html = page(a_run(verdict=verdict, violations=violations, reasons=["a source was away"]))
    assert f"Audit verdict: {verdict}" in html
    assert ("p-17" in html) == (verdict == "fail")
    assert "a source was away" in html


def test_missed_expectations_are_shown_even_if_the_verdict_is_pass() -> None:
    html = page(a_run(expectations={"missed": ["2 orders confirmed meanwhile, expected <10>"]}))
    assert "Expectations not met" in html
    assert "expected &lt;10&gt;" in html
    assert "Expectations not met" not in page(a_run(expectations={"missed": []}))


def test_traffic_without_faults_or_audit_is_drawn_too() -> None:
    run = a_run()
    for name in ("faults", "recovery", "verdict", "violations", "reasons", "audited"):
        del run[name]
    html = page(run)
    assert "audit" not in html
    assert "orders per second" in html


@pytest.mark.parametrize("seconds", [12, 120, 1800])
def test_a_picture_is_well_formed_and_small(seconds: int) -> None:
    run = a_run(seconds)
    picture = standalone_svg(run)
    root = ElementTree.fromstring(picture)
    titles = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(run["faults"])
    assert len(picture) < (100_000 if seconds < 1800 else 250_000)


def test_lines_have_a_gap_where_samples_are_missing() -> None:
    with_gap, without_gap = a_run(), a_run()
    without_gap["timeline"]["queues"] = {
        name: [0 if value is None else value for value in values]
        for name, values in without_gap["timeline"]["queues"].items()
    }
    assert figure(with_gap).count('class="line') == figure(without_gap).count('class="line') + 5
