"""apt installs servers, starts none of them, and leaves the machine's settings unchanged."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.stack.apt import Apt

POLICY, CLUSTER = "usr/sbin/policy-rc.d", "etc/postgresql-common/createcluster.conf"


@pytest.fixture(params=[False, True], ids=["no settings before", "settings before"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    for name in (POLICY, CLUSTER):
        (tmp_path / name).parent.mkdir(parents=True)
        if request.param:
            (tmp_path / name).write_text(f"the machine's own {name}")
    return tmp_path


def settings(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_during_the_installation_no_service_starts_and_no_cluster_is_created(root: Path) -> None:
    before, during = settings(root), []

    def run(argv: Sequence[str]) -> None:
        during.append(((root / POLICY).read_text(), (root / CLUSTER).read_text(), os.access(root / POLICY, os.X_OK)))

    Apt(root, run=run, is_root=True).install(["postgresql"], lambda _: None)

    assert len(during) == 2
    assert all(
        "exit 101" in policy and "create_main_cluster = false" in cluster and runs for policy, cluster, runs in during
    )
    assert settings(root) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_settings_are_restored_after_an_interruption(root: Path, number: signal.Signals) -> None:
    before = settings(root)
    with pytest.raises(KeyboardInterrupt):
        Apt(root, run=lambda _: os.kill(os.getpid(), number), is_root=True).install(["x"], lambda _: None)
    assert settings(root) == before


def test_settings_are_restored_after_a_killed_attempt(root: Path) -> None:
    before = settings(root)
    child = os.fork()
    if child == 0:
        Apt(root, run=lambda _: os.kill(os.getpid(), signal.SIGKILL), is_root=True).install(["x"], lambda _: None)
    os.waitpid(child, 0)
    assert settings(root) != before

    Apt(root, run=lambda _: None, is_root=True).install(["x"], lambda _: None)

    assert settings(root) == before


def test_a_package_s_own_setting_is_kept_if_there_was_none_before(tmp_path: Path) -> None:
    def run(argv: Sequence[str]) -> None:
        (tmp_path / f"{CLUSTER}.dpkg-dist").write_text("the package's own")

    (tmp_path / "usr/sbin").mkdir(parents=True)
    Apt(tmp_path, run=run, is_root=True).install(["postgresql"], lambda _: None)

    assert settings(tmp_path) == {CLUSTER: "the package's own"}
