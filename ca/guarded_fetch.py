"""Fetching over http and https what a certificate names, without becoming a tool against others.

An address in a stranger's document must not reach our own network: the host is resolved once, every
address is checked, and the connection goes to the address that was checked. Size, time and
redirects are limited. No proxy, no cookies, no credentials.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MAX_URL: Final = 2048
_CHUNK: Final = 64 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SUCCESSES: Final = frozenset({200, 201, 202, 204})
_MIN_SECONDS: Final = 0.01

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
            return self._read(response, connection, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchRefused(type(error).__name__) from error
        finally:
            connection.close()

    def _read(
        self, response: http.client.HTTPResponse, connection: _Connection, deadline: float
    ) -> bytes:
        body = bytearray()
        while True:
            connection.limit(deadline)
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

    def connect(self) -> None:
        """Open the socket; TLS is checked against the name in the URL."""
        self.sock = socket.create_connection(self._address, _left(self._deadline))
        if self._https:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self.limit(self._deadline)

    def limit(self, deadline: float) -> None:
        """Let the next socket call take no longer than until the deadline."""
        seconds = _left(deadline)
        if self.sock is not None:
            self.sock.settimeout(seconds)


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
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if any(address.version == network.version and address in network for network in allowed):
        return True
    return address.is_global and not address.is_multicast
