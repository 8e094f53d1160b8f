"""A stack's files: its state, passwords and directories."""

import json
import os
from pathlib import Path

import pytest

from infra.stack import Layout, LocalError, StackIsDown, read_state
from infra.stack.accounts import Account, require_accessible
from infra.stack.errors import NotAccessible
from infra.stack.layout import default_name, layout
from infra.stack.passwords import Passwords
from infra.stack.state import ServiceState, StackState


def test_a_state_is_read_unchanged_and_private_to_its_owner(tmp_path: Path) -> None:
    state = StackState(
        stack="s",
        services={
            "cart": ServiceState(http="http://x", ops={"cart.1": "http://y"}, database={"app": "postgresql://z"})
        },
        ports={"cart-http": 1},
    )
    state.write(tmp_path / "stack.json")
    assert read_state(tmp_path / "stack.json") == state
    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_unknown_fields_of_a_state_are_ignored_and_missing_ones_have_defaults(tmp_path: Path) -> None:
    cart = {"http": "http://x", "ops": {}, "database": {}, "colour": "red"}
    (tmp_path / "stack.json").write_text(json.dumps({"stack": "s", "services": {"cart": cart}, "moon": "full"}))
    assert read_state(tmp_path / "stack.json") == StackState("s", {"cart": ServiceState("http://x", {}, {})})


def test_without_a_state_file_the_stack_is_down(tmp_path: Path) -> None:
    with pytest.raises(StackIsDown):
        read_state(tmp_path / "stack.json")


def test_a_password_is_generated_once_and_stored_privately(tmp_path: Path) -> None:
    path = tmp_path / "new" / "passwords.json"
    first = Passwords(path).of("cart")
    assert Passwords(path).of("cart") == first != Passwords(path).of("catalog")
    assert len(first) == 40
    assert path.stat().st_mode & 0o777 == 0o600


def test_two_checkouts_have_different_stacks() -> None:
    assert default_name(Path("/a")) != default_name(Path("/b"))
    assert default_name(Path("/a")) == default_name(Path("/a"))


@pytest.mark.parametrize("name", ["../x", "", "A", "a/b", "-a", "x" * 60, "a b"])
def test_an_invalid_name_of_a_stack_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_STACK", name or "-")
    with pytest.raises(LocalError):
        layout()


def test_the_environment_sets_the_directory_of_the_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MARKETPLACE_STATE_HOME", str(tmp_path))
    assert layout("x") == Layout("x", tmp_path / "x")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
def test_a_directory_below_a_private_one_cannot_be_entered(tmp_path: Path) -> None:
    private = tmp_path / "private"
    (private / "below").mkdir(parents=True)
    private.chmod(0o700)
    with pytest.raises(NotAccessible, match="may not enter"):
        require_accessible(private / "below", Account("postgres", uid=12345, gid=12345))
    require_accessible(private / "below", None)
    require_accessible(Path("/usr/lib"), Account("postgres", uid=12345, gid=12345))
