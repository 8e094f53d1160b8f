"""The glossary explains the names of tables and metrics, and its links have targets."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FROZEN = ROOT / "tests/contracts/frozen"
PAGE = (ROOT / "docs/GLOSSARY.md").read_text(encoding="utf-8")


def tables() -> set[str]:
    recorded = [json.loads(path.read_text()) for path in FROZEN.glob("database-*.json")]
    return {name.rpartition(".")[2] for each in recorded for name in each["tables"]}


def metrics() -> set[str]:
    return set(json.loads((FROZEN / "metrics.json").read_text()))


def test_every_table_and_metric_is_in_the_glossary() -> None:
    explained = set(re.findall(r"`(\w+)`", PAGE))
    assert tables() - explained == set()
    assert metrics() - explained == set()


def test_every_term_has_a_sentence_and_an_existing_package() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    terms = [row for row in rows if row[0] not in ("term", "---")]
    assert len(terms) > 60
    assert len({term for term, *_ in terms}) == len(terms)
    for term, meaning, package in terms:
        assert meaning.endswith("."), term
        for link in re.findall(r"\]\(([^)]+)\)", package):
            assert (ROOT / "docs" / link).resolve().exists(), link
