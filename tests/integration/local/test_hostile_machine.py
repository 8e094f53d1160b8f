"""Results of tests do not depend on the machine's Docker, stacks, occupied ports or shell settings."""

import contextlib
import fcntl
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import CHECKOUT, Layout, services_of
from infra.stack.environment import LOG_SETTINGS, SETTINGS, STAND_IN_SETTINGS
from infra.stack.layout import default_name
from infra.stack.ports import Ports
from tests.system.marketplace import Marketplace

DOCKER = """#!/bin/sh
echo "docker $*" >> {calls}
if [ "$1" = info ]; then echo 28.0.1; else echo "no such image, and the registry is away" >&2; exit 1; fi
"""
GIVEN = ("BROKER", *(f"{service.upper()}_DATABASE" for service in services_of(CHECKOUT)))
SHELL = {
    "MARKETPLACE_PROVIDER": "docker",
    "MARKETPLACE_DEBUG": "1",
    **{f"MARKETPLACE_{name}_URL": "amqp://a:b@192.0.2.1/" for name in GIVEN},
    "MARKETPLACE_BROKER_MANAGEMENT_URL": "http://a:b@192.0.2.1/",
    **dict.fromkeys([*SETTINGS, *STAND_IN_SETTINGS, *LOG_SETTINGS], "nonsense"),
    **dict.fromkeys(["HTTP_PORT", "OPS_PORT", "OUTSIDE_PORT", "SMTP_PORT"], "1"),
    **dict.fromkeys(["HTTP_HOST", "OUTSIDE_HOST", "SMTP_HOST"], "192.0.2.1"),
    "DATABASE_URL": "postgresql://192.0.2.1/",
    "BROKER_URL": "amqp://192.0.2.1/",
    "OIDC_ISSUER": "http://192.0.2.1/",
    "OIDC_AUDIENCE": "others",
    "WEBHOOK_PRIVATE_TARGETS": "false",
    "PGHOST": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGDATABASE": "nothing",
    "PGSSLMODE": "verify-full",
    "PGOPTIONS": "-c nothing=1",
    "RABBITMQ_NODENAME": "other@elsewhere",
    "RABBITMQ_NODE_PORT": "1",
    "RABBITMQ_CONFIG_FILE": "/nonexistent",
    "ERL_EPMD_PORT": "1",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://192.0.2.1:4318",
    "OTEL_PYTHON_CONTEXT": "nonexistent",
    "http_proxy": "http://192.0.2.1:3128",
    "FORCE_COLOR": "1",
    "XDG_STATE_HOME": "/nonexistent",
}
DEFAULT_PORTS = (1025, 4369, 5432, 5672, 8000, 8080, 9000, 15672, 25672)
MAX_PORTS = 11_000
"""Of the 17,000 ports from which servers choose."""
SPARE_FILES = 1_000
NAME = default_name(CHECKOUT)
"""The other stack has the name that the tests would choose for theirs."""


@pytest.fixture
def crowded() -> Iterator[None]:
    """Occupy most ports: the servers' defaults, and two thirds of those that stacks choose from."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = max(before, min(MAX_PORTS + SPARE_FILES, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    others = Ports()
    try:
        with contextlib.ExitStack() as defaults:
            for port in DEFAULT_PORTS:
                with contextlib.suppress(OSError):  # another process occupies it already
                    defaults.enter_context(socket.create_server(("127.0.0.1", port)))
            for number in range(min(MAX_PORTS, files - SPARE_FILES)):
                others.of(str(number))
            yield
    finally:
        others.release()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def run_tests(state_home: Path, *tests: str) -> None:
    """Run tests with a Docker that has no images, and in a shell with misleading settings.

    Raises `AssertionError` with pytest's output if a test fails or Docker was called.
    """
    calls, docker = state_home / "docker-calls", state_home / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(calls=calls))
    docker.chmod(0o755)
    environment = os.environ | SHELL
    environment |= {"MARKETPLACE_STATE_HOME": str(state_home), "MARKETPLACE_STACK": NAME}
    environment |= {"PATH": f"{docker.parent}:{environment['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *tests],
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert not calls.exists(), calls.read_text()


@pytest.mark.usefixtures("crowded")
def test_tests_use_the_installed_servers_and_nothing_else_of_the_machine(tmp_path: Path) -> None:
    neighbour = Layout(NAME, tmp_path / NAME)
    neighbour.create()
    with neighbour.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as the supervisor of a running stack does
        run_tests(tmp_path, "tests/integration/local/probes.py")


@pytest.mark.slow
@pytest.mark.timeout(540)
@pytest.mark.usefixtures("crowded")
def test_an_order_is_delivered_beside_another_stack(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = Path(os.environ["MARKETPLACE_STATE_HOME"], "hostile")  # PostgreSQL's account may enter it
    home.mkdir()
    neighbour = Marketplace(home, NAME)
    try:
        neighbour.command("up", "-d")
        before = neighbour.status()["parts"]
        run_tests(home, "tests/system/test_one_order.py", "tests/integration/storage/test_roles.py")
        after = neighbour.status()["parts"]
        assert {name: part["pid"] for name, part in after.items()} == {n: p["pid"] for n, p in before.items()}
    finally:
        neighbour.command("down", "--volumes")
