"""The guard that keeps tests on this machine."""

import socket

import pytest

from tests.network import BeyondLoopbackError


def test_a_connection_beyond_loopback_is_refused() -> None:
    with socket.socket() as client, pytest.raises(BeyondLoopbackError):
        client.connect(("192.0.2.1", 80))
    with socket.socket(type=socket.SOCK_DGRAM) as client, pytest.raises(BeyondLoopbackError):
        client.sendto(b"x", ("192.0.2.1", 53))


def test_a_name_is_not_looked_up() -> None:
    with pytest.raises(BeyondLoopbackError):
        socket.create_connection(("example.com", 80), timeout=1)


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()[:2], timeout=5).close()
