"""Runs two trees side by side: a git worktree of a revision, and in each tree a process that runs rounds."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infra.stack import CHECKOUT, LocalError, python_path

SERVER = "tests/benchmarks/serving.py"
"""The file that a tree must have to be comparable."""
STOPPED_WITHIN_S = 120
DEFERRED_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def commit_of(revision: str) -> str:
    """Return the hash of the commit. Raises ValueError, with what to do, if that tree can't be compared."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode == 128:
        why = " ".join(found.stderr.split())
        raise ValueError(f"git can't read {CHECKOUT}: {why}\n--against needs a git repository: clone this project.")
    if found.returncode:
        raise ValueError(
            f"{revision} is no revision of the git repository at {CHECKOUT}.\n"
            "Name a branch, a tag or a commit: git log --oneline"
        )
    commit = found.stdout.strip()
    if _git("cat-file", "-e", f"{commit}:{SERVER}").returncode:
        raise ValueError(
            f"{revision} ({commit[:12]}) has no `bench --against` yet: it can't run single rounds.\n"
            f"Name a later revision: git log --oneline --diff-filter=A -- {SERVER}"
        )
    return commit


@contextmanager
def worktree(commit: str) -> Iterator[Path]:
    """Check out that commit with a virtual environment of its own, and remove it afterwards."""
    with tempfile.TemporaryDirectory(prefix="marketplace-against-") as home:
        tree = Path(home, commit[:12])
        try:
            with _signals_deferred():
                added = _git("worktree", "add", "--detach", "--quiet", str(tree), commit)
            if added.returncode:
                raise LocalError(f"git worktree add failed: {' '.join(added.stderr.split())}", "Fix that, then retry.")
            _bootstrap(tree)
            yield tree
        finally:
            with _signals_deferred():
                _git("worktree", "remove", "--force", str(tree))


def python_of(tree: Path) -> Path:
    """Return the interpreter of the tree's virtual environment; for our own tree, the running one."""
    return Path(sys.executable) if tree == CHECKOUT else tree / ".venv/bin/python"


@dataclass(frozen=True)
class Answer:
    """The result of one round."""

    value: float
    unit: str
    machine: str


class Rounds:
    """A tree's benchmark, run round by round."""

    def __init__(self, tree: Path, child: "subprocess.Popen[str]", log: Path) -> None:
        self._tree, self._child, self._log = tree, child, log

    def next(self) -> Answer:
        """Run one round. Raises `LocalError` if the tree's process fails."""
        assert self._child.stdin
        assert self._child.stdout
        with suppress(BrokenPipeError):
            self._child.stdin.write("\n")
            self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            lines = self._log.read_text().strip().splitlines()
            print(*lines[-20:], sep="\n", file=sys.stderr)
            raise LocalError(
                f"The benchmark failed in {self._tree}: {lines[-1] if lines else 'it printed nothing'}",
                "The last lines of its log are above. Does it run there without --against?",
            )
        answer = json.loads(line)
        return Answer(answer["value"], answer["unit"], answer["machine"])


@contextmanager
def rounds_in(tree: Path, *arguments: str) -> Iterator[Rounds]:
    """Start the tree's own benchmark as a process, which is stopped gracefully afterwards."""
    with tempfile.TemporaryDirectory(prefix="marketplace-against-") as home:
        log = Path(home, "log")
        with log.open("w") as stderr:
            child = subprocess.Popen(
                [python_of(tree), "-P", "-m", "tests.benchmarks", *arguments, "--serve"],
                cwd=tree,
                env=os.environ | {"PYTHONPATH": python_path(tree)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                start_new_session=True,  # keeps Ctrl-C from the child, which ends when we close its input
            )
        try:
            yield Rounds(tree, child, log)
        finally:
            with _signals_deferred():
                _end(child)


def _end(child: "subprocess.Popen[str]") -> None:
    try:
        child.communicate(timeout=STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()  # the kernel then ends its servers, too
        child.communicate()


def _bootstrap(tree: Path) -> None:
    """Let the tree create its virtual environment, with the Python version of ours."""
    python = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    [bootstrap] = tree.glob("infra/*/bootstrap.py")  # earlier trees had it in the package `local`
    running = subprocess.Popen(
        [python, "-P", bootstrap, tree],
        env=os.environ | {"TMPDIR": str(tree.parent)},  # files left by an interrupted pip are removed with the tree
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        failed = running.wait()
    except BaseException:
        os.killpg(running.pid, signal.SIGTERM)  # ends pip, too
        running.wait()
        raise
    if failed:
        raise LocalError(f"The virtual environment of {tree} could not be created.", "The reason is above.")


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Postpone Ctrl-C, SIGTERM and SIGHUP until the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, DEFERRED_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(["git", "-C", CHECKOUT, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ValueError("git is not installed.\nInstall it: --against checks out a revision.") from None
