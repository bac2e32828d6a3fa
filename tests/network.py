"""Keep in-process tests on this machine: a connection or a name look-up beyond loopback fails.

Only Python's own sockets are watched, and only in the test process. `allow_network` lifts the
guard for a block, for the rare test whose subject is exactly that.
"""

import contextlib
import ipaddress
import sys
from collections.abc import Iterator

_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_NAMING = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_LOCAL_NAMES = frozenset({"", "localhost", "ip6-localhost"})


class BeyondLoopbackError(OSError):
    """A test tried to leave the machine."""


class _Guard:
    def __init__(self) -> None:
        self.on = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.on or not event.startswith("socket."):
            return
        if event in _CONNECTING:
            address = arguments[1]
            host = address[0] if isinstance(address, tuple) else None
        elif event in _NAMING:
            host = arguments[0]
        else:
            return
        if host is not None and not _is_local(host):
            raise BeyondLoopbackError(f"{event} to {host!r}: tests stay on this machine")


_guard = _Guard()
sys.addaudithook(_guard)


def pytest_configure() -> None:
    _guard.on = True


def pytest_unconfigure() -> None:
    _guard.on = False


@contextlib.contextmanager
def allow_network() -> Iterator[None]:
    """Let sockets go anywhere for a while."""
    _guard.on = False
    try:
        yield
    finally:
        _guard.on = True


def _is_local(host: object) -> bool:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in _LOCAL_NAMES or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
