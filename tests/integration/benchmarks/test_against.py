"""`bench --against` with real servers and worktrees: its output is complete, and it leaves nothing behind."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import LocalError, python_path
from tests.benchmarks.trees import rounds_in
from tests.integration.local.processes_of import processes_of

ROOT = Path(__file__).parents[3]
IGNORED = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", "build")
GONE_WITHIN_S = 20


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Yield a short path for everything that a run writes; PostgreSQL's account may enter it."""
    with tempfile.TemporaryDirectory(prefix="m-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Commit this working tree, unchanged, in a new repository."""
    repository = tmp_path / "repository"
    shutil.copytree(ROOT, repository, ignore=IGNORED)
    git(repository, "init", "--quiet")
    commit(repository)
    return repository


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", repository, *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "as it is")


def commit_an_environment(repository: Path) -> None:
    """Commit our environment, so that a checkout need not install one."""
    (python := repository / ".venv/bin/python").parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    shutil.copyfile(repository / "requirements.txt", repository / ".venv/requirements.installed")
    git(repository, "add", "--force", ".venv")
    commit(repository)


def bench(repository: Path, temporary: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start `bench hop --against HEAD` with the shortest rounds."""
    return subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "bench", "hop", "--against", "HEAD", "--quick", "--pairs", "6", *arguments],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": python_path(repository), "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


async def until_gone(directory: Path) -> None:
    """Wait until no process uses the directory."""
    async with asyncio.timeout(GONE_WITHIN_S):
        while processes_of(directory):
            await asyncio.sleep(0.1)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_revision_is_compared_and_nothing_is_left_behind(repository: Path, temporary: Path):
    file = temporary.with_suffix(".json")
    try:
        running = bench(repository, temporary, "--json", str(file))
        shown, output = running.communicate()
        assert running.returncode == 0, output
        written = json.loads(file.read_text())
    finally:
        file.unlink(missing_ok=True)
    assert "Installing" in output  # the revision gets its own environment
    assert (written["bench"], written["pairs"], written["unit"]) == ("hop", 6, "events/s")
    assert written["rev"] == git(repository, "rev-parse", "HEAD")
    assert len(written["here"]) == len(written["there"]) == 6
    assert all(rate > 0 for rate in written["here"] + written["there"])
    assert written["ratio_ci95"][0] <= written["ratio"] <= written["ratio_ci95"][1]
    assert f"Ratio {written['ratio']:.3f}" in shown
    assert len(git(repository, "worktree", "list").splitlines()) == 1
    assert git(repository, "status", "--porcelain") == ""
    assert list(temporary.iterdir()) == []
    await until_gone(temporary)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_it_leaves_no_server_however_it_ends(repository: Path, temporary: Path, ending: signal.Signals):
    commit_an_environment(repository)
    running = bench(repository, temporary)
    assert running.stderr
    lines = []
    for line in running.stderr:
        lines.append(line)
        if line.startswith("pair 1 of 6"):
            break
    assert len(processes_of(temporary)) > 2, lines
    running.send_signal(ending)  # in the middle of a round
    running.communicate()
    await until_gone(temporary)
    if ending is not signal.SIGKILL:  # a killed process cannot clean up
        assert running.returncode == 130
        assert list(temporary.iterdir()) == []
        assert len(git(repository, "worktree", "list").splitlines()) == 1


@pytest.mark.slow
async def test_the_process_of_a_tree_reports_its_result_and_stops_with_its_servers(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(temporary))
    with rounds_in(ROOT, "hop", "--quick") as rounds:
        answer = await asyncio.to_thread(rounds.next)
        assert processes_of(temporary)
    assert (answer.unit, answer.value > 0) == ("events/s", True)
    await until_gone(temporary)
    assert list(temporary.iterdir()) == []


def test_the_failure_of_a_tree_is_reported_with_its_last_output(capsys: pytest.CaptureFixture[str]):
    with rounds_in(ROOT, "jump") as rounds, pytest.raises(LocalError, match="No benchmark jump"):
        rounds.next()
    assert "No benchmark jump" in capsys.readouterr().err
