"""Errors of the command line: one line says what is wrong, another what to do."""

import fcntl
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.cli.groups import GROUPS
from infra.cli.output import CHOSEN_STACK, pluralized
from infra.cli.times import parse_time
from infra.stack import StackIsDown

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command without any stack, and returns its exit code and its error output."""
    monkeypatch.setenv("MARKETPLACE_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("MARKETPLACE_STACK", "none")
    monkeypatch.setenv("MARKETPLACE_DEBUG", "")

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["marketplace", *arguments])
        try:
            code = app.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["down"],
        ["kill", "cart"],
        ["scale", "cart=2"],
        ["traffic", "--rate", "1", "--duration", "1"],
        ["topology", "plan"],
        ["republish", "--since", "2h"],
        ["pause", "cart"],
        ["heal"],
    ],
)
def test_a_stopped_stack_is_reported_in_one_line(run: Run, command: list[str]) -> None:
    code, errors = run(*command)
    assert code == 1
    assert errors.splitlines()[0] == "The stack none is not up."
    assert "Traceback" not in errors


def test_an_audit_without_a_stack_is_unknown(run: Run) -> None:
    code, errors = run("audit")
    assert (code, errors.splitlines()) == (3, ["The stack none is not up.", "Start it: ./marketplace up -d"])


def test_an_audit_of_a_stack_with_an_empty_state_file_is_unknown(run: Run, tmp_path: Path) -> None:
    where = tmp_path / "none"
    where.mkdir()
    (where / "stack.json").write_text("{}")
    with (where / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as the supervisor does
        code, errors = run("audit")
    assert code == 3
    assert errors.splitlines()[0].startswith(f"{where / 'stack.json'} has no addresses of the sources")
    assert errors.splitlines()[1].endswith("./marketplace down, then ./marketplace up -d")


@pytest.mark.parametrize(
    "command",
    [
        ["dance"],
        ["scale", "cart"],
        ["scale", "cart=x"],
        ["demo", "--rate", "-1"],
        ["kill"],
        ["topology", "undo"],
        ["dead", "replay"],
        ["dead", "replay", "--all", "cart/1"],
        ["dead", "replay", "--service", "cart", "cart/1"],
        ["dead", "discard", "--all"],
        ["dead", "discard", "cart", "--reason", "rubbish"],
        ["dead", "edit", "17"],
        ["republish", "--since", "2 hours"],
        ["republish", "--since", "999999999d"],
        ["republish", "--since", "2999-01-01"],
        ["--stack", "", "status"],
        ["dead", "show", "cart/x"],
        ["order", ""],
        ["events", "tail", "nosuch"],
        ["replay", "--to", "a.b.c"],
        ["replay", "--to", "cart.products", "--from", "yesterday"],
    ],
)
def test_wrong_arguments_exit_with_2(run: Run, command: list[str]) -> None:
    assert run(*command)[0] == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["token", "--sub", "ada", "--role", "king"], "'king' is not one of 'seller', 'operator'"),
        (["traffic", "--rate", "fast", "--duration", "1"], "Write a number, such as 2.5."),
        (["traffic", "--rate", "0", "--duration", "1"], "It must be greater than or equal to 0.01"),
        (["events", "tail", "-n", "1.5"], "Write a whole number, such as 3."),
    ],
)
def test_a_wrong_value_is_reported_in_plain_words(run: Run, command: list[str], words: str) -> None:
    code, errors = run(*command)
    output = re.sub(r"[\s│]+", " ", errors)
    assert (code, words in output) == (2, True), output
    assert "Value error" not in output


def test_a_moment_is_a_time_or_a_duration_before_now() -> None:
    assert datetime.now(UTC) - parse_time("2h") < timedelta(hours=2, seconds=10)
    assert parse_time("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert parse_time("2026-01-31T12:00") == datetime(2026, 1, 31, 12).astimezone()


def test_the_error_for_a_missing_log_lists_the_existing_ones(run: Run, tmp_path: Path) -> None:
    code, errors = run("logs", "nothing")
    assert (code, errors.splitlines()[0]) == (1, "The stack none has no logs: it was never started.")
    logs = tmp_path / "none/logs"
    logs.mkdir(parents=True)
    (logs / "cart.1.log").touch()
    code, errors = run("logs", "nothing")
    assert (code, errors.splitlines()) == (1, ["There is no log of 'nothing'.", "There are: cart.1"])


def test_a_remedy_names_the_chosen_stack(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CHOSEN_STACK, raising=False)
    assert run("--stack", "mine", "status")[1].splitlines() == [
        "The stack mine is not up.",
        "Start it: ./marketplace --stack mine up -d",
    ]
    monkeypatch.delenv(CHOSEN_STACK)


@pytest.mark.parametrize(("number", "text"), [(0, "0 events"), (1, "1 event"), (2, "2 events"), (1200, "1,200 events")])
def test_numbers_are_shown_with_their_noun(number: int, text: str) -> None:
    assert pluralized(number, "event") == text


def test_a_token_needs_a_stack(run: Run) -> None:
    assert run("token", "--sub", "alice")[0] == 1
    assert run("dead", "ls")[0] == 1


def test_a_traceback_is_shown_with_debug(run: Run) -> None:
    with pytest.raises(StackIsDown):
        run("--debug", "status")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--sub", "a b"], "use 1 to 64 letters, digits, dots, hyphens and underscores"),
        (["--sub", "ada", "--role", "boss"], "'boss' is not one of 'seller', 'operator'"),
    ],
)
def test_an_invalid_token_is_refused_with_the_reason(run: Run, options: list[str], why: str) -> None:
    code, errors = run("token", *options)
    assert code == 2
    assert why in " ".join(errors.replace("│", " ").split())


def test_every_command_is_listed_once_under_a_heading() -> None:
    errors = CliRunner(env={"COLUMNS": "100"}).invoke(app.app, ["--help"]).output
    headings = [heading for line in errors.splitlines() for heading in GROUPS if f" {heading} ─" in line]
    assert headings == list(GROUPS)
    listed = re.findall(r"^│ ([a-z]+) ", errors, re.MULTILINE)
    assert listed == [name for names in GROUPS.values() for name in names]


def test_help_is_no_error(run: Run) -> None:
    assert run("--help")[0] == 0
    assert run("demo", "--help")[0] == 0
