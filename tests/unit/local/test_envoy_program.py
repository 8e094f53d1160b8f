"""Envoy is found, or people are told how to provide it."""

from pathlib import Path

import pytest

from infra.stack.errors import LocalError
from infra.stack.gateway import binary, find_envoy


@pytest.fixture
def program(tmp_path: Path) -> Path:
    program = tmp_path / "my-envoy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_the_package_provides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETPLACE_ENVOY", raising=False)
    assert find_envoy().is_file()


def test_the_variable_names_another_by_its_path_or_name(monkeypatch: pytest.MonkeyPatch, program: Path) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    for chosen in (str(program), program.name):
        monkeypatch.setenv("MARKETPLACE_ENVOY", chosen)
        assert find_envoy() == program


@pytest.mark.parametrize("what", ["missing", "directory", "not executable"])
def test_a_variable_that_names_no_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: Path, what: str
) -> None:
    program.chmod(0o644)
    chosen = {"missing": tmp_path / "absent", "directory": tmp_path, "not executable": program}[what]
    monkeypatch.setenv("MARKETPLACE_ENVOY", str(chosen))
    with pytest.raises(LocalError, match=f"MARKETPLACE_ENVOY={chosen} is no program") as error:
        find_envoy()
    assert error.value.remedy == "Correct or unset MARKETPLACE_ENVOY."


def test_without_the_package_people_are_told_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MARKETPLACE_ENVOY", raising=False)
    monkeypatch.setattr(binary, "find_spec", lambda _name: None)
    with pytest.raises(LocalError, match="no package of it for this platform") as error:
        find_envoy()
    assert "set MARKETPLACE_ENVOY to the path of its program" in error.value.remedy
