"""The gate for HTTP APIs, with golden documents in a temporary folder."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts import __main__ as command
from contracts.gate import Verdict
from contracts.http.documents import read_documents
from contracts.http.gate import MAX_PLACES, explain_api, review_apis, write_golden_documents
from infra.stack import python_path

ROOT = Path(__file__).parents[3]
THING: dict[str, Any] = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def an_api(paths: int = 1) -> dict[str, Any]:
    """Return a small API in which every path answers with the same schema."""
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "shop", "version": "1"},
        "paths": {f"/things/{each}": {"get": {"responses": answer}} for each in range(paths)},
        "components": {"schemas": {"Thing": copy.deepcopy(THING)}},
    }


def with_text_for_n(api: dict[str, Any]) -> dict[str, Any]:
    """Return the API after a breaking change: a number has become text."""
    changed = copy.deepcopy(api)
    changed["components"]["schemas"]["Thing"]["properties"]["n"]["type"] = "string"
    return changed


def test_a_service_without_a_golden_document_is_new_and_then_agrees(tmp_path: Path) -> None:
    (first,) = review_apis({"shop": an_api()}, tmp_path)
    assert first.verdict is Verdict.NEW
    assert "python -m contracts write" in explain_api(first)

    assert write_golden_documents([first], tmp_path) == [tmp_path / "shop.json"]

    assert [each.verdict for each in review_apis({"shop": an_api()}, tmp_path)] == [Verdict.AGREES]


def test_a_compatible_change_is_written_and_a_breaking_one_is_not(tmp_path: Path) -> None:
    write_golden_documents(review_apis({"shop": an_api()}, tmp_path), tmp_path)
    before = (tmp_path / "shop.json").read_bytes()

    (broken,) = review_apis({"shop": with_text_for_n(an_api())}, tmp_path)
    assert broken.verdict is Verdict.BREAKS
    assert write_golden_documents([broken], tmp_path) == []
    assert (tmp_path / "shop.json").read_bytes() == before

    (changed,) = review_apis({"shop": an_api(paths=2)}, tmp_path)
    assert changed.verdict is Verdict.CHANGED
    assert write_golden_documents([changed], tmp_path)
    assert [each.verdict for each in review_apis({"shop": an_api(paths=2)}, tmp_path)] == [Verdict.AGREES]


def test_another_release_is_no_change(tmp_path: Path) -> None:
    write_golden_documents(review_apis({"shop": an_api()}, tmp_path), tmp_path)
    released = an_api()
    released["info"]["version"] = "2"
    assert [each.verdict for each in review_apis({"shop": released}, tmp_path)] == [Verdict.AGREES]


def test_a_change_of_a_shared_schema_is_explained_once(tmp_path: Path) -> None:
    write_golden_documents(review_apis({"shop": an_api(paths=9)}, tmp_path), tmp_path)
    (broken,) = review_apis({"shop": with_text_for_n(an_api(paths=9))}, tmp_path)

    assert len(broken.findings) == 9
    text = explain_api(broken)
    assert text.count("type changed from integer to string") == 1
    assert text.count("GET /things/") == MAX_PLACES
    assert "and 4 more: type changed" in text
    assert "below /v2" in text


def test_a_removed_service_is_refused(tmp_path: Path) -> None:
    write_golden_documents(review_apis({"shop": an_api()}, tmp_path), tmp_path)
    (gone,) = review_apis({}, tmp_path)
    assert gone.verdict is Verdict.BREAKS
    assert "service removed" in explain_api(gone)


@pytest.mark.parametrize(
    "rubbish", [b"<<<<<<< HEAD\n{}", b"[]", b"\xff", b"", b'{"paths": []}', b'{"paths": {"/things/0": {"get": 1}}}']
)
def test_an_unreadable_golden_document_is_reported_and_left_unchanged(tmp_path: Path, rubbish: bytes) -> None:
    (tmp_path / "shop.json").write_bytes(rubbish)
    (unreadable,) = review_apis({"shop": an_api()}, tmp_path)

    assert unreadable.verdict is Verdict.UNREADABLE
    assert "Restore contracts/http/shop.json from version control" in explain_api(unreadable)
    assert write_golden_documents([unreadable], tmp_path) == []
    assert (tmp_path / "shop.json").read_bytes() == rubbish


@pytest.mark.slow  # it starts a process
def test_services_that_cannot_be_loaded_fail_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.marketplace]\nservices = ["nobody"]\n')
    monkeypatch.setattr(command, "read_documents", lambda: read_documents(tmp_path))
    assert command.check_apis() == 1
    assert "The HTTP APIs can't be read" in capsys.readouterr().err


def test_the_command_refuses_a_removed_path(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pyproject.toml").write_text('[tool.marketplace]\nservices = ["catalog"]\n')
    goldens = tmp_path / "contracts" / "http"
    for file in goldens.glob("*.json"):
        if file.stem != "catalog":
            file.unlink()
    golden = json.loads((goldens / "catalog.json").read_text())
    golden["paths"]["/offers"] = golden["paths"]["/products"]
    (goldens / "catalog.json").write_text(json.dumps(golden))

    done = subprocess.run(
        [sys.executable, "-P", "-m", "contracts", "check"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), python_path(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stderr
    assert "HTTP API of catalog: breaks its contract" in done.stdout
    assert "GET /offers" in done.stdout
    assert "path removed\n        deployed clients call it" in done.stdout
    assert done.stdout.endswith("0 HTTP APIs agree with their golden documents, 0 to be written, 1 refused\n")
