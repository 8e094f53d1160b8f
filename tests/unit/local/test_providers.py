"""The order in which servers are looked for, and the errors if there are none."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from testcontainers.core.config import testcontainers_config

from infra.stack import private_servers, provision
from infra.stack.apt import Apt
from infra.stack.binaries import find_postgres, find_rabbitmq
from infra.stack.errors import LocalError, NoProvider
from infra.stack.external_servers import given_broker
from infra.stack.provision import BROKER, POSTGRES, Provider, choose_provider, install_missing, provide


@pytest.mark.parametrize("can", list(itertools.product([True, False], repeat=4)))
def test_the_first_possible_provider_is_chosen(can: tuple[bool, bool, bool, bool]) -> None:
    given, docker, installed, installable = can
    chosen = choose_provider(
        given=given, docker=lambda: docker, installed=lambda: installed, installable=lambda: installable
    )
    assert chosen == next((provider for provider, it_can in zip(Provider, can, strict=True) if it_can), None)


def test_docker_is_not_checked_if_urls_are_given() -> None:
    def never() -> bool:
        raise AssertionError

    assert choose_provider(given=True, docker=never, installed=never, installable=never) is Provider.GIVEN


def test_a_forced_provider_is_the_only_one() -> None:
    def yes() -> bool:
        return True

    assert (
        choose_provider(given=False, docker=yes, installed=yes, installable=yes, forced=Provider.HOST) is Provider.HOST
    )
    assert (
        choose_provider(given=False, docker=lambda: False, installed=yes, installable=yes, forced=Provider.DOCKER)
        is None
    )


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the root of a fake Debian with nothing installed, and without Docker."""
    monkeypatch.setattr(provision, "docker_works", lambda: False)
    monkeypatch.setattr(provision.shutil, "which", lambda _: "/usr/bin/apt-get")
    monkeypatch.delenv("MARKETPLACE_PROVIDER", raising=False)
    apt = tmp_path / "usr/bin/apt-get"
    apt.parent.mkdir(parents=True)
    apt.touch(mode=0o755)
    return tmp_path


def test_without_root_the_error_names_the_command_to_run(bare: Path) -> None:
    kinds = {replace(kind, installed=lambda: False): False for kind in (BROKER, POSTGRES)}
    with pytest.raises(NoProvider) as raised:
        provide(kinds, print, Apt(bare, is_root=False))
    assert str(raised.value) == "RabbitMQ and PostgreSQL 15 to 18 cannot be found."
    assert raised.value.remedy == "Run: sudo apt-get install -y rabbitmq-server postgresql"


def test_as_root_missing_servers_are_installed(bare: Path) -> None:
    ran: list[Sequence[str]] = []
    broker = replace(BROKER, installed=lambda: bool(ran))
    postgres = replace(POSTGRES, installed=lambda: True)
    messages: list[str] = []

    found = provide({broker: False, postgres: False}, messages.append, Apt(bare, run=ran.append, is_root=True))

    assert found == {broker: Provider.HOST, postgres: Provider.HOST}
    assert [argv[1] for argv in ran] == ["update", "install"]
    assert "rabbitmq-server" in ran[1]
    assert "postgresql" not in ran[1]
    assert len(messages) == 2


@pytest.mark.parametrize("provider", ["given", "docker"])
def test_for_tests_missing_servers_are_installed_whatever_other_provider_there_is(
    bare: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setenv("MARKETPLACE_PROVIDER", provider)
    monkeypatch.setattr(provision, "docker_works", lambda: True)
    ran: list[Sequence[str]] = []
    kinds = replace(BROKER, installed=lambda: bool(ran)), replace(POSTGRES, installed=lambda: True)

    install_missing(kinds, print, Apt(bare, run=ran.append, is_root=True))

    assert [argv[1] for argv in ran] == ["update", "install"]
    assert ran[1][-1] == "rabbitmq-server"


def test_without_root_the_error_says_how_to_install_a_missing_program(bare: Path) -> None:
    kinds = [
        replace(provision.program_kind(name), installed=lambda name=name: name == "bash") for name in ("bash", "curl")
    ]
    with pytest.raises(NoProvider) as raised:
        install_missing(kinds, print, Apt(bare, is_root=False))
    assert str(raised.value) == "curl cannot be found."
    assert raised.value.remedy == "Run: sudo apt-get install -y curl"


async def test_a_private_server_is_not_a_container_if_installed_programs_are_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(private_servers, "find_rabbitmq", lambda: None)
    monkeypatch.setattr(private_servers, "docker_works", lambda: True)
    monkeypatch.setenv("MARKETPLACE_PROVIDER", "host")
    with pytest.raises(NoProvider, match="RabbitMQ cannot be found") as raised:
        async with private_servers.private_broker():
            pass
    assert raised.value.__notes__ == [raised.value.remedy]
    assert "install" in raised.value.remedy


def test_an_unknown_provider_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_PROVIDER", "cloud")
    with pytest.raises(LocalError, match="cloud"):
        provide({BROKER: False}, print)


def test_a_broker_with_only_one_of_two_urls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPLACE_BROKER_URL", "amqp://admin:pw@somewhere:5673/")
    with pytest.raises(LocalError):
        given_broker()
    monkeypatch.setenv("MARKETPLACE_BROKER_MANAGEMENT_URL", "http://admin:pw@somewhere:15673")
    broker = given_broker()
    assert broker
    assert broker.amqp == "amqp://admin:pw@somewhere:5673/"
    assert broker.management == "http://admin:pw@somewhere:15673"


def installed(root: Path, major: int) -> None:
    directory = root / f"usr/lib/postgresql/{major}/bin"
    directory.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (directory / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {major}.3 (Debian)'\n")
        (directory / name).chmod(0o755)


def test_the_newest_supported_postgres_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for major in (13, 15, 17):
        installed(tmp_path, major)
    assert [found.major for found in find_postgres(tmp_path)] == [17, 15]


def test_debian_s_own_script_is_preferred_to_the_wrapper_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "usr/sbin"))
    for name in ("usr/sbin/rabbitmq-server", "usr/sbin/epmd", "usr/lib/rabbitmq/bin/rabbitmq-server"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch(mode=0o755)
    found = find_rabbitmq(tmp_path)
    assert found
    assert found.server == tmp_path / "usr/lib/rabbitmq/bin/rabbitmq-server"
    (tmp_path / "usr/lib/rabbitmq/bin/rabbitmq-server").unlink()
    assert find_rabbitmq(tmp_path) is None, "the wrapper would change user"


ENGINE = """#!/bin/sh
case "$1 $2" in
    "info --format") ;;
    "image inspect") grep -qx "$3" {images} ;;
    "pull --quiet") {pull} && echo "$3" >> {images} ;;
    *) exit 1 ;;
esac
"""


@pytest.mark.parametrize(
    ("there", "pull", "expected"),
    [
        (["BROKER", "REAPER"], "false", True),
        ([], "true", True),
        ([], "false", False),
        (["BROKER"], "false", False),
        (["REAPER"], "false", False),
    ],
)
def test_an_engine_without_images_is_skipped_with_a_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: list[str], pull: str, expected: bool
) -> None:
    names = {"BROKER": BROKER.image, "REAPER": testcontainers_config.ryuk_image}
    images, engine = tmp_path / "images", tmp_path / "docker"
    images.write_text("".join(f"{names[each]}\n" for each in there))
    engine.write_text(ENGINE.format(images=images, pull=pull))
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("MARKETPLACE_PROVIDER", raising=False)
    messages: list[str] = []

    broker = replace(BROKER, installed=lambda: True)

    found = provide({broker: False}, messages.append, Apt(tmp_path))

    assert found == {broker: Provider.DOCKER if expected else Provider.HOST}
    assert bool(messages) is ("BROKER" not in there or "REAPER" not in there)
    assert any("cannot pull the image" in each for each in messages) is not expected
