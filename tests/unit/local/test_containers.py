"""Servers in Docker containers, with a fake Docker client."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.stack import Layout, LocalError, StackState
from infra.stack.broker import BrokerUrls
from infra.stack.passwords import Passwords
from infra.stack.rabbitmqctl import rabbitmqctl
from infra.stack.roles import PostgresServer


class FakeDocker:
    """The part of Docker's client that testcontainers uses, and the container that it returns."""

    id, short_id = "id", "id"

    def __init__(self, **_: object) -> None:
        self.client = self.containers = self
        self.filters: dict[str, str] = {}
        self.ran: list[str] = []
        self.answer = (0, b"")
        self.ended = threading.Event()
        self.created: dict[str, Any] = {}
        self.removed = False

    def create(self, image: str, **how: Any) -> "FakeDocker":
        self.created = {"image": image, **how}
        return self

    def exec_run(self, command: list[str]) -> tuple[int, bytes]:
        self.ran = command
        return self.answer

    def list(self, filters: dict[str, str]) -> list["FakeDocker"]:
        self.filters = filters
        return [self]

    def start(self, container: object) -> None:
        assert container is self

    def kill(self) -> None:
        self.ended.set()

    def stop(self, timeout: int) -> None:
        self.ended.set()

    def wait(self, timeout: None) -> dict[str, int]:
        self.ended.wait(10)
        return {"StatusCode": 137}

    def logs(self, *, stream: bool, follow: bool) -> Iterator[bytes]:
        yield b"a line of its log\n"
        self.ended.wait(10)

    def remove(self, **_: object) -> None:
        self.removed = True

    def close(self) -> None:
        return


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    from testcontainers.core import container

    from infra.stack import containers

    fake = FakeDocker()
    monkeypatch.setattr(containers, "DockerClient", lambda: fake)
    monkeypatch.setattr(container, "DockerClient", lambda **_: fake)
    monkeypatch.setattr(container.Reaper, "get_instance", lambda: None)
    return fake


async def test_the_broker_listens_on_loopback_only_and_stores_its_data_in_a_volume(
    docker: FakeDocker, tmp_path: Path
) -> None:
    from infra.stack.containers import broker_container

    urls = BrokerUrls("127.0.0.1", 20001, 20002, "secret")
    running = await broker_container(urls, stack="s", log=tmp_path / "log").launch()

    assert docker.created["image"].startswith("rabbitmq:")
    assert docker.created["ports"] == {"5672/tcp": ("127.0.0.1", 20001), "15672/tcp": ("127.0.0.1", 20002)}
    assert docker.created["volumes"] == {"marketplace-s-broker": {"bind": "/var/lib/rabbitmq", "mode": "rw"}}
    assert docker.created["environment"]["RABBITMQ_DEFAULT_PASS"] == "secret"
    await running.stop()


async def test_the_log_of_a_killed_container_is_kept(docker: FakeDocker, tmp_path: Path) -> None:
    from infra.stack.containers import postgres_container

    server = PostgresServer("postgresql://postgres:pw@127.0.0.1:20003", Passwords(tmp_path / "passwords"))
    part = postgres_container("cart-db", server, port=20003, password="pw", stack="s", log=tmp_path / "log")
    running = await part.launch()
    assert running.pid is None
    running.kill()

    async with asyncio.timeout(5):
        assert await running.wait() == 137

    assert (tmp_path / "log").read_bytes() == b"a line of its log\n"
    assert docker.removed


async def test_rabbitmqctl_runs_in_the_broker_s_container(docker: FakeDocker, tmp_path: Path) -> None:
    where, state = Layout("s", tmp_path), StackState("s", providers={"RabbitMQ": "docker"})
    docker.answer = (0, b"3\n")

    assert await rabbitmqctl(where, state, "eval", "1 + 2.") == "3\n"
    assert docker.filters == {"volume": "marketplace-s-broker"}
    assert docker.ran == ["rabbitmqctl", "-q", "-n", "marketplace@localhost", "eval", "1 + 2."]

    docker.answer = (64, b"Error: no such command")
    with pytest.raises(LocalError, match="no such command"):
        await rabbitmqctl(where, state, "evil")
