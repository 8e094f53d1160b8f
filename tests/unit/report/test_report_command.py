"""A kept run is drawn from its file; what is no run is refused in two lines."""

import json
from pathlib import Path

import pytest

from infra.cli import app
from tests.unit.report.runs import a_run


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["marketplace", "report", *arguments])
    try:
        return app.main()
    except SystemExit as end:
        return int(end.code or 0)


def test_a_page_and_a_picture_of_a_kept_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept, page, picture = tmp_path / "run.json", tmp_path / "run.html", tmp_path / "run.svg"
    kept.write_text(json.dumps(a_run(20)))
    assert run(monkeypatch, str(kept), "--html", str(page), "--svg", str(picture)) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"timeline": 1, "title": "x"}'])
def test_what_is_no_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    kept, page = tmp_path / "run.json", tmp_path / "run.html"
    kept.write_text(text)
    assert run(monkeypatch, str(kept), "--html", str(page)) == 1
    assert "is not the report of a run" in capsys.readouterr().err
    assert not page.exists()


def test_somebody_who_wants_nothing_is_asked_what(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "run.json"
    kept.write_text("{}")
    assert run(monkeypatch, str(kept)) == 1
    assert "--svg FILE" in capsys.readouterr().err
