"""Ports are free when they are chosen, reserved for their servers, and the same at the next start."""

import socket

import pytest

from infra.stack import LocalError
from infra.stack import ports as module
from infra.stack.ports import Ports


def serve(port: int, option: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, option, 1)
    server.bind(("127.0.0.1", port))
    server.listen()
    return server


def test_a_name_always_has_the_same_port() -> None:
    ports = Ports()
    assert ports.of("a") == ports.of("a") != ports.of("b")
    ports.release()


@pytest.mark.parametrize("option", [socket.SO_REUSEADDR, socket.SO_REUSEPORT])
def test_a_server_can_bind_its_reserved_port(option: int) -> None:
    ports = Ports()
    with serve(ports.of("server"), option) as server, socket.create_connection(server.getsockname(), 1):
        pass
    ports.release()


def test_nothing_listens_on_a_reserved_port() -> None:
    ports = Ports()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports.of("server")), 1)
    ports.release()


def test_a_port_reserved_by_one_stack_is_refused_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Ports(), Ports()
    monkeypatch.setattr(module, "PORT_RANGE", [first.of("a")])
    with pytest.raises(LocalError, match="No free port"):
        second.of("a")
    first.release()


def test_a_known_port_is_kept_if_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_PORT_WAIT_S", 0)
    ports = Ports()
    known = ports.of("server")
    with serve(known, socket.SO_REUSEADDR):
        ports.release()
        assert Ports({"server": known}).of("server") != known
    again = Ports({"server": known})
    assert again.of("server") == known
    assert again.as_dict() == {"server": known}
    again.release()
