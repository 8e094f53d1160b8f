"""A stored run is drawn from its file. An invalid file is refused in two lines."""

import json
import os
import re
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


def test_a_stored_run_is_drawn_as_a_page_and_a_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stored, page, picture = tmp_path / "run.json", tmp_path / "run.html", tmp_path / "run.svg"
    stored.write_text(json.dumps(a_run(20)))
    assert run(monkeypatch, str(stored), "--html", str(page), "--svg", str(picture)) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"timeline": 1, "title": "x"}'])
def test_a_file_that_is_no_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    stored, page = tmp_path / "run.json", tmp_path / "run.html"
    stored.write_text(text)
    assert run(monkeypatch, str(stored), "--html", str(page)) == 1
    assert "is not the report of a run" in capsys.readouterr().err
    assert not page.exists()


def test_a_command_without_an_output_option_names_the_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = tmp_path / "run.json"
    stored.write_text("{}")
    assert run(monkeypatch, str(stored)) == 1
    assert "--svg FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        ["chaos", "run", "broker-dies", "--json"],
        ["chaos", "random", "--rate", "1", "--html"],
        ["chaos", "recover", "--json"],
        ["traffic", "--rate", "1", "--duration", "1", "--html"],
        ["demo", "--json"],
        ["audit", "--json"],
        ["report", __file__, "--svg"],
    ],
)
@pytest.mark.parametrize(
    ("file", "said"), [("nowhere/x", "There is no directory"), ("", "is a directory"), ("closed/x", "is not writable")]
)
def test_an_unwritable_file_is_refused_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    file: str,
    said: str,
) -> None:
    monkeypatch.setenv("MARKETPLACE_STATE_HOME", str(tmp_path / "state"))
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != closed)  # root may write anywhere
    monkeypatch.setattr("sys.argv", ["marketplace", *command, str(tmp_path / file)])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 2
    assert said in re.sub(r"\W+", " ", capsys.readouterr().err)
    assert not (tmp_path / "state").exists()
