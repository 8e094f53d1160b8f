"""The launcher's virtual environment is created once, and repaired after an interruption."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import bootstrap as module
from infra.stack.bootstrap import STAMP, UNFINISHED, BootstrapError, bootstrap

PYTHON = '#!/bin/sh\n[ "$*" = "-m pip --version" ] && {answer}\n'
"""Answers whether pip works (`true`). Not the real Python, since Debian's has no pip outside an environment."""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with fake environments, which are created quickly."""
    (tmp_path / "requirements.txt").write_text("one==1\n")

    def make(venv: Path) -> None:
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        (venv / "bin/python").write_text(PYTHON.format(answer="true"))
        (venv / "bin/python").chmod(0o755)
        with (tmp_path / "made").open("a") as created:
            created.write("venv ")

    def install(requirements: Path, venv: Path, lock: int) -> None:
        with (tmp_path / "made").open("a") as created:
            created.write("install ")

    monkeypatch.setattr(module, "_create_environment", make)
    monkeypatch.setattr(module, "_install", install)
    return tmp_path


def created(checkout: Path) -> list[str]:
    return (checkout / "made").read_text().split()


def test_an_environment_is_created_once(checkout: Path) -> None:
    bootstrap(checkout)
    bootstrap(checkout)
    assert created(checkout) == ["venv", "install"]
    assert (checkout / ".venv" / STAMP).read_text() == "one==1\n"
    assert not (checkout / ".venv" / UNFINISHED).exists()


def test_an_environment_with_other_requirements_is_created_beside_it(checkout: Path) -> None:
    (checkout / "requirements-bench.txt").write_text("peer==1\n")
    assert bootstrap(checkout) == checkout / ".venv"
    assert bootstrap(checkout, "bench") == bootstrap(checkout, "bench") == checkout / ".venv-bench"
    assert created(checkout) == ["venv", "install", "venv", "install"]
    assert (checkout / ".venv-bench" / STAMP).read_text() == "peer==1\n"


def test_changed_requirements_are_installed(checkout: Path) -> None:
    bootstrap(checkout)
    (checkout / "requirements.txt").write_text("one==2\n")
    bootstrap(checkout)
    assert created(checkout) == ["venv", "install", "install"]


def test_an_environment_without_a_working_pip_is_created_again(checkout: Path) -> None:
    bootstrap(checkout)
    (checkout / ".venv/bin/python").write_text(PYTHON.format(answer="false"))
    (checkout / "requirements.txt").write_text("one==2\n")
    bootstrap(checkout)
    assert created(checkout) == ["venv", "install", "venv", "install"]


def test_an_interrupted_installation_is_repeated(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bootstrap(checkout)
    assert not (checkout / ".venv" / STAMP).exists()
    bootstrap(checkout)
    assert created(checkout) == ["venv", "venv", "install"]


def test_concurrent_processes_create_the_environment_once(checkout: Path) -> None:
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            bootstrap(checkout)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert created(checkout) == ["venv", "install"]


def test_without_root_the_error_says_how_to_install_venv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_has_ensurepip", lambda: False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(BootstrapError, match=r"Run: sudo apt-get install -y python3\.\d+-venv"):
        module._require_venv_module()


def test_a_failed_installation_is_reported_in_one_line(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (tmp_path / "requirements.txt").write_text("one==1\n")
    with (
        (tmp_path / "requirements.txt").open() as lock,
        pytest.raises(BootstrapError, match="pip could not install"),
    ):
        module._install(tmp_path / "requirements.txt", venv, lock.fileno())
