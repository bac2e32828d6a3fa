"""Fetching over http and https what a certificate names, without becoming a tool against others.

An address in a stranger's document must not reach our own network: the host is resolved once, every
address is checked, and the connection goes to the address that was checked. Size, time and
redirects are limited. No proxy, no cookies, no credentials.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

_MAX_URL: Final = 2048
_CHUNK: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SUCCESSES: Final = frozenset({200, 201, 202, 204})
_MIN_SECONDS: Final = 0.01
_TRANSLATED: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
"""NAT64, and addresses of the form ::10.0.0.1: what is reached is the IPv4 address inside."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchRefused(Exception):
    """It was not fetched: forbidden, too large, too slow or not there; stays inside this room."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one fetch; `allowed` are networks that are reached although they are private."""

    max_bytes: int = 32 * 1024 * 1024
    seconds: float = 10.0
    redirects: int = 2
    allowed: tuple[Network, ...] = ()


class Fetcher:
    """Fetches small files under limits; threads may share one."""

    def __init__(self, limits: FetchLimits | None = None) -> None:
        self._limits = limits or FetchLimits()

    def get(self, url: str, *, seconds: float | None = None) -> bytes:
        """Fetch with GET; FetchRefused when it cannot be had within the limits."""
        return self._follow(_Message("GET", url, b"", {}), seconds)

    def post(
        self, url: str, body: bytes, content_type: str, *, seconds: float | None = None
    ) -> bytes:
        """Fetch with POST; FetchRefused when it cannot be had within the limits."""
        return self._follow(_Message("POST", url, body, {"Content-Type": content_type}), seconds)

    def post_with(self, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        """POST with headers of the caller's own; a redirect is an answer like any other refusal."""
        message = _Message("POST", url, body, headers)
        answer = self._once(message, time.monotonic() + self._limits.seconds)
        if isinstance(answer, str):
            raise FetchRefused("redirected")
        return answer

    def _follow(self, message: _Message, seconds: float | None) -> bytes:
        limit = self._limits.seconds if seconds is None else min(seconds, self._limits.seconds)
        deadline = time.monotonic() + limit
        for _ in range(self._limits.redirects + 1):
            answer = self._once(message, deadline)
            if isinstance(answer, bytes):
                return answer
            message = _Message("GET", urljoin(message.url, answer), b"", {})
        raise FetchRefused("too many redirects")

    def _once(self, message: _Message, deadline: float) -> bytes | str:
        """Return the body, or the address of a redirect."""
        parts = _checked_url(message.url)
        connection = _Connection(parts, self._resolve(parts), deadline)
        try:
            headers = {"User-Agent": "antin", "Accept-Encoding": "identity", **message.headers}
            connection.request(message.method, _target(parts), message.body or None, headers)
            response = connection.getresponse()
            location = response.getheader("Location")
            if response.status in _REDIRECTS and location:
                return location
            if response.status not in _SUCCESSES:
                raise FetchRefused(f"status {response.status}")
            return self._read(response)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchRefused(type(error).__name__) from error
        finally:
            connection.close()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        body = bytearray()
        while True:
            chunk = response.read1(_CHUNK)
            if not chunk:
                return bytes(body)
            body += chunk
            if len(body) > self._limits.max_bytes:
                raise FetchRefused("too large")

    def _resolve(self, parts: SplitResult) -> tuple[str, int]:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = _addresses_of(host, port)
        if not addresses or not all(
            _may_reach(ipaddress.ip_address(one), self._limits.allowed) for one in addresses
        ):
            raise FetchRefused("address not allowed")
        return addresses[0], port


@dataclass(frozen=True, slots=True)
class _Message:
    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]


class _Connection(http.client.HTTPConnection):
    """A connection to the address that was checked, whatever the name resolves to later."""

    def __init__(self, parts: SplitResult, address: tuple[str, int], deadline: float) -> None:
        super().__init__(parts.hostname or "", address[1])
        self._https = parts.scheme == "https"
        self._address = address
        self._deadline = deadline
        self.response_class = partial(_TimedResponse, deadline)  # type: ignore[assignment]  # called as a class is

    def connect(self) -> None:
        """Open the socket; TLS is checked against the name in the URL."""
        self.sock = socket.create_connection(self._address, _left(self._deadline))
        if self._https:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(_left(self._deadline))


class _TimedResponse(http.client.HTTPResponse):
    """An answer that is read, headers included, until a deadline."""

    def __init__(self, deadline: float, sock: socket.socket, *rest: Any, **named: Any) -> None:  # noqa: ANN401 -- handed on
        super().__init__(sock, *rest, **named)
        self.fp = io.BufferedReader(_UntilDeadline(sock, self.fp, deadline))


class _UntilDeadline(io.RawIOBase):
    """Reads from a socket; a server that sends an octet now and then gains no time by it.

    `kept` is what holds the socket open for the answer.
    """

    def __init__(self, sock: socket.socket, kept: IO[bytes], deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._kept = kept
        self._deadline = deadline

    def close(self) -> None:
        self._kept.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, into: Buffer) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(memoryview(into).cast("B"))


def _addresses_of(host: str, port: int) -> list[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass  # a name, or an old spelling of an address that only the resolver knows
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchRefused("host not found") from error
    return [str(entry[4][0]) for entry in found]


def _left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds < _MIN_SECONDS:
        raise FetchRefused("too slow")
    return seconds


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchRefused("not an address") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise FetchRefused("not an http address")
    if parts.username is not None or len(url) > _MAX_URL or not url.isascii():
        raise FetchRefused("address not allowed")
    if any(ord(character) <= ord(" ") for character in url):
        raise FetchRefused("address not allowed")
    return parts


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _may_reach(address: _Address, allowed: Sequence[Network]) -> bool:
    inside = _inside(address)
    if any(
        one.version == network.version and one in network
        for network in allowed
        for one in (address, inside)
    ):
        return True
    site_local = isinstance(inside, ipaddress.IPv6Address) and inside.is_site_local
    return inside.is_global and not inside.is_multicast and not site_local


def _inside(address: _Address) -> _Address:
    """Give the IPv4 address that an IPv6 address stands for (RFC 4291, RFC 6052), or itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
