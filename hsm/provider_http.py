"""HTTP to providers of signatures: one guarded client for all of them.

The addresses come from the operator's own settings, so private networks are fine; what comes back
is not trusted. No proxy or credentials from the surroundings, no redirects, no compression, one
deadline for the whole exchange, a limit on what is read; plain http only where it was allowed.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hsm.refusals import ProviderSettingsInvalid, ProviderUnreachable, Refusal, refused
from hsm.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

MAX_ANSWER: Final = 512 * 1024
"""Bytes; the largest honest answer is a certificate chain of some 20 kB."""
_CONNECT_SECONDS: Final = 5.0
_CONNECTIONS: Final = 32

SecretReader = Callable[[str], Secret]
"""Gives the secret that a reference such as ``file:/…`` or ``env:NAME`` names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How to reach a provider: whom to trust, and how to show who is calling.

    The files are PEM; *client_key_password* is a reference to a secret.
    """

    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    client_key_password: str | None = None
    seconds: float = 15.0
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status and body of an answer that came whole."""

    status: int
    body: bytes
    media_type: str

    def json(self) -> dict[str, object]:
        """Read the body as a JSON object; raises SignatureRefused when it is none."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            what = f"the provider answered {self.status} with something that is not JSON"
            raise refused(Refusal.PROVIDER_ERROR, what) from error
        if not isinstance(read, dict):
            raise refused(Refusal.PROVIDER_ERROR, "the provider answered with no JSON object")
        return read


class ProviderHttp:
    """A client for one provider; threads may share it. Nothing is opened before the first call."""

    def __init__(self, reach: Reach, secrets: SecretReader) -> None:
        self._reach = reach
        self._secrets = secrets
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, wait: float = 0
    ) -> HttpAnswer:
        """GET; *wait* seconds are added to the time an answer may take."""
        return self._exchange("GET", url, None, headers, wait)

    def delete(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """DELETE."""
        return self._exchange("DELETE", url, None, headers, 0)

    def post(
        self,
        url: str,
        content: bytes,
        *,
        headers: Mapping[str, str],
        wait: float = 0,
    ) -> HttpAnswer:
        """POST; raises ProviderUnreachable when no whole answer came."""
        return self._exchange("POST", url, content, headers, wait)

    def post_json(
        self,
        url: str,
        body: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        wait: float = 0,
    ) -> HttpAnswer:
        """POST a JSON object."""
        sent = {"Content-Type": "application/json", "Accept": "application/json"}
        content = json.dumps(body).encode()
        return self._exchange("POST", url, content, sent | dict(headers or {}), wait)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _exchange(
        self,
        method: str,
        url: str,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        wait: float,
    ) -> HttpAnswer:
        import httpx  # noqa: PLC0415 -- most installations have no provider, and it is large

        seconds = self._reach.seconds + wait
        deadline = time.monotonic() + seconds
        timeout = httpx.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds))
        try:
            with self._opened().stream(
                method, url, content=content, headers=dict(headers or {}), timeout=timeout
            ) as response:
                body = _limited(response, deadline)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            what = f"the provider at {_host(url)} cannot be reached: {type(error).__name__}"
            raise ProviderUnreachable(what, delivered=False) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            what = f"the provider at {_host(url)} did not answer: {type(error).__name__}"
            raise ProviderUnreachable(what, delivered=True) from error
        if response.is_redirect:
            raise refused(Refusal.PROVIDER_ERROR, "the provider answered with a redirect")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        return HttpAnswer(response.status_code, body, media_type)

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                import httpx  # noqa: PLC0415 -- as above

                self._client = httpx.Client(
                    verify=self._trust(),
                    trust_env=False,
                    follow_redirects=False,
                    headers={"User-Agent": "antin", "Accept-Encoding": "identity"},
                    limits=httpx.Limits(max_connections=_CONNECTIONS),
                )
            return self._client

    def _trust(self) -> ssl.SSLContext:
        reach = self._reach
        try:
            context = ssl.create_default_context(cafile=reach.ca_file)
            if reach.client_certificate is not None:
                context.load_cert_chain(
                    reach.client_certificate,
                    reach.client_key,
                    password=self._password if reach.client_key_password else None,
                )
        except (OSError, ValueError) as error:
            what = f"a certificate or key file of a provider cannot be used: {error}"
            raise ProviderSettingsInvalid(what) from error
        return context

    def _password(self) -> bytes:
        return self._secrets(self._reach.client_key_password or "").reveal()


def checked_url(url: str, *, plain_http: bool) -> str:
    """Give back an address that may be used, without a slash at its end.

    Raises ProviderSettingsInvalid: for plain http to another machine unless that was allowed, and
    for credentials in the address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProviderSettingsInvalid("an address of a provider is not well-formed") from error
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        raise ProviderSettingsInvalid(f"{url!r} is not an address https://…")
    if parts.username is not None or parts.query or parts.fragment:
        raise ProviderSettingsInvalid(
            "an address of a provider has no user, query or fragment; secrets go by reference"
        )
    if parts.scheme == "http" and not (plain_http or _is_loopback(parts.hostname)):
        raise ProviderSettingsInvalid(
            f"{url!r} is not encrypted; use https, or set plain_http = true on a closed network"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _limited(response: httpx.Response, deadline: float) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise refused(Refusal.PROVIDER_ERROR, "the provider answered compressed, unasked")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            what = f"the provider's answer is longer than {MAX_ANSWER} bytes"
            raise refused(Refusal.PROVIDER_ERROR, what)
        if time.monotonic() > deadline:
            raise ProviderUnreachable("the provider's answer takes too long", delivered=True)
    return bytes(body)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "?"
