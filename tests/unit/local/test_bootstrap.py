"""The virtual environment of the launcher: made once, repaired after an interruption."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import bootstrap as module
from infra.stack.bootstrap import STAMP, UNFINISHED, BootstrapError, bootstrap

PYTHON = '#!/bin/sh\n[ "$*" = "-m pip --version" ] && {answer}\n'
"""Answers that pip works (`true`) or doesn't. Not the real Python: outside an environment, Debian's has no pip."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose environments are made of nothing, quickly."""
    (tmp_path / "requirements.txt").write_text("one==1\n")

    def make(venv: Path) -> None:
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin/python").write_text(PYTHON.format(answer="true"))
        (venv / "bin/python").chmod(0o755)
        with (tmp_path / "made").open("a") as made:
            made.write("venv ")

    def install(requirements: Path, venv: Path, lock: int) -> None:
        with (tmp_path / "made").open("a") as made:
            made.write("install ")

    monkeypatch.setattr(module, "_make", make)
    monkeypatch.setattr(module, "_install", install)
    return tmp_path


def made(checkout: Path) -> list[str]:
    return (checkout / "made").read_text().split()


def test_it_is_made_once(checkout: Path) -> None:
    bootstrap(checkout)
    bootstrap(checkout)
    assert made(checkout) == ["venv", "install"]
    assert (checkout / ".venv" / STAMP).read_text() == "one==1\n"
    assert not (checkout / ".venv" / UNFINISHED).exists()


def test_another_one_is_made_beside_it(checkout: Path) -> None:
    (checkout / "requirements-bench.txt").write_text("peer==1\n")
    assert bootstrap(checkout) == checkout / ".venv"
    assert bootstrap(checkout, "bench") == bootstrap(checkout, "bench") == checkout / ".venv-bench"
    assert made(checkout) == ["venv", "install", "venv", "install"]
    assert (checkout / ".venv-bench" / STAMP).read_text() == "peer==1\n"


def test_changed_requirements_are_installed_into_it(checkout: Path) -> None:
    bootstrap(checkout)
    (checkout / "requirements.txt").write_text("one==2\n")
    bootstrap(checkout)
    assert made(checkout) == ["venv", "install", "install"]


def test_changed_requirements_make_it_anew_if_its_pip_does_not_work(checkout: Path) -> None:
    bootstrap(checkout)
    (checkout / ".venv/bin/python").write_text(PYTHON.format(answer="false"))
    (checkout / "requirements.txt").write_text("one==2\n")
    bootstrap(checkout)
    assert made(checkout) == ["venv", "install", "venv", "install"]


def test_an_interrupted_installation_is_made_anew(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bootstrap(checkout)
    assert not (checkout / ".venv" / STAMP).exists()
    bootstrap(checkout)
    assert made(checkout) == ["venv", "venv", "install"]


def test_of_two_at_once_one_waits_and_finds_it_done(checkout: Path) -> None:
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            bootstrap(checkout)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert made(checkout) == ["venv", "install"]


def test_without_root_one_line_says_how_to_get_venv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_ensurepip", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BootstrapError, match=r"Run: sudo apt-get install -y python3\.\d+-venv"):
        module._require_venv_module()


def test_what_pip_cannot_install_is_told_in_one_line(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (tmp_path / "requirements.txt").write_text("one==1\n")
    with (
        (tmp_path / "requirements.txt").open() as lock,
        pytest.raises(BootstrapError, match="pip could not install"),
    ):
        module._install(tmp_path / "requirements.txt", venv, lock.fileno())
