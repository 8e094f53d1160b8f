"""`bench --against`: arguments that are refused in advance, and how results are shown."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.against import Comparison, sentence, show
from tests.benchmarks.comparable import COMPARABLE
from tests.benchmarks.pairs import Estimate
from tests.benchmarks.run import BENCHMARKS
from tests.benchmarks.trees import SERVER


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", repository, *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository whose first commit, tagged `old`, has no `--against`, and whose HEAD has it."""
    (repository := tmp_path / "repository").mkdir()
    git(repository, "init", "--quiet")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "old")
    git(repository, "tag", "old")
    (server := repository / SERVER).parent.mkdir(parents=True)
    server.touch()
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "new")
    monkeypatch.setattr("tests.benchmarks.trees.CHECKOUT", repository)
    return repository


def refusal(arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments.split()])
    assert main() == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 2, output.err
    return output.err


@pytest.mark.parametrize(
    ("arguments", "problem", "remedy"),
    [
        ("hop --against nowhere", "nowhere is no revision of the git repository", "git log"),
        ("hop --against=--all", "--all is no revision", "git log"),
        ("hop --against old", "has no `bench --against` yet", "later revision"),
        ("--against HEAD", "one benchmark, and none is given", "hop, hop-update, latency"),
        ("hop latency --against HEAD", "one benchmark, not 2: hop, latency", "hop, hop-update, latency"),
        ("jump --against HEAD", "no benchmark jump", "hop, hop-update, latency"),
        ("hop --against HEAD --pairs 5", "5 pairs are too few", "at least 6"),
        ("hop --against HEAD --json /proc/nowhere/x.json", "x.json can't be written", "another file"),
        ("hop --against HEAD --rounds 3", "can't be used with", "--pairs"),
        ("hop --pairs 6", "--pairs is for comparing", "--against REV"),
    ],
)
def test_wrong_arguments_are_refused_with_a_remedy_and_change_nothing(
    arguments: str,
    problem: str,
    remedy: str,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    output = refusal(arguments, monkeypatch, capsys)
    first, second = output.splitlines()
    assert problem in first
    assert remedy in second
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_without_a_repository_the_error_of_git_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("tests.benchmarks.trees.CHECKOUT", tmp_path)
    assert "not a git repository" in refusal("hop --against HEAD", monkeypatch, capsys)


def test_the_result_file_is_not_created_before_there_is_a_result(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_servers() -> None:
        raise ValueError

    monkeypatch.setattr("tests.benchmarks.against.ensure_servers", no_servers)
    monkeypatch.setattr(
        "tests.benchmarks.against.treat_termination_as_interrupt", lambda: None
    )  # keep pytest's signal handlers
    monkeypatch.setattr(sys, "argv", ["bench", "hop", "--against", "HEAD", "--json", str(tmp_path / "x.json")])
    assert main() == 2
    assert not (tmp_path / "x.json").exists()


def test_every_benchmark_can_be_compared():
    assert list(COMPARABLE) == list(BENCHMARKS)


@pytest.mark.parametrize(
    ("name", "here", "ratio"), [("hop", 500.0, 2.0), ("latency", 500.0, 0.5), ("scale", 2000.0, 2.0)]
)
def test_a_ratio_above_one_means_that_this_tree_costs_more(name: str, here: float, ratio: float):
    compared = Comparison(name, "main", "c0ffee", [here] * 6, [1000.0] * 6, "a machine")
    assert compared.to_json() == {
        "bench": name,
        "rev": "c0ffee",
        "pairs": 6,
        "unit": COMPARABLE[name].unit,
        "here": [here] * 6,
        "there": [1000.0] * 6,
        "ratio": pytest.approx(ratio),
        "ratio_ci95": [pytest.approx(ratio), pytest.approx(ratio)],
        "machine": "a machine",
    }


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            Estimate(1.031, 1.012, 1.05),
            "This tree needs 3.1 % more time per event than v1 (95 % interval: 1.2 % more to 5.0 % more).",
        ),
        (
            Estimate(0.9, 0.88, 0.93),
            "This tree needs 10.0 % less time per event than v1 (95 % interval: 12.0 % less to 7.0 % less).",
        ),
        (
            Estimate(1.01, 0.98, 1.04),
            (
                "No difference is shown: compared with v1, this tree needs from 2.0 % less to 4.0 % more time per event"
                " (95 % interval)."
            ),
        ),
    ],
)
def test_the_sentence_describes_the_interval(found: Estimate, words: str):
    assert sentence(found, "time per event", "v1") == words


def test_the_result_names_both_trees_the_ratio_and_its_direction(capsys: pytest.CaptureFixture[str]):
    there = [1000.0, 1010.0, 990.0, 1005.0, 995.0, 1000.0]
    show(Comparison("hop", "main", "c0ffee" * 6, [each / 2 for each in there], there, "a machine"))
    output = capsys.readouterr().out
    for words in (
        "uncommitted changes included",
        "there: main (c0ffeec0ffee)",
        "500",
        "1,010",
        "Ratio 2.000",
        "slower",
    ):
        assert words in output
