"""Time-stamp servers: asking for a token, one server after the other (RFC 3161).

What makes an answer believable is in `tokens`. Whether the authority is trusted is the verifier's
question, not asked here.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Protocol

from pdf.errors import TimestampRejected, TimestampUnavailable
from pdf.tokens import new_nonce, request_for, token_from

# The largest answers seen carry a chain of four RSA-4096 certificates, about 10 kB.
MAX_RESPONSE = 256 * 1024
DEFAULT_TIMEOUT = 10.0


class TimestampSource(Protocol):
    """Gives time-stamps over digests."""

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Return a TimeStampToken (DER ContentInfo); raises TimestampUnavailable."""


class HttpTimestampSource:
    """Time-stamp servers over HTTP, tried in the order given; `timeout` in seconds each."""

    def __init__(self, urls: Sequence[str], *, timeout: float = DEFAULT_TIMEOUT) -> None:
        if not urls:
            raise ValueError("at least one time-stamp server is needed")
        import httpx  # noqa: PLC0415 -- most signatures on a PC ask no server

        self._urls = tuple(urls)
        # One client, so that a batch keeps its connections. Redirects and proxies of the
        # environment are not followed: the token comes from the server that was configured.
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False)

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        """Ask the servers in turn; raises TimestampUnavailable naming each failure.

        A single server that answered with a wrong token raises TimestampRejected.
        """
        import httpx  # noqa: PLC0415 -- loaded by now

        nonce = new_nonce()
        request = request_for(digest, hash_algorithm, nonce=nonce)
        failures: list[TimestampUnavailable] = []
        for url in self._urls:
            try:
                answer = self._ask(url, request)
                return token_from(answer, digest=digest, hash_algorithm=hash_algorithm, nonce=nonce)
            except TimestampRejected as rejected:
                failures.append(TimestampRejected(f"{url}: {rejected}"))
            except (httpx.HTTPError, httpx.InvalidURL, TimestampUnavailable) as error:
                told = str(error) or type(error).__name__
                failures.append(TimestampUnavailable(f"{url}: {told}"))
        if len(failures) == 1:
            raise failures[0]
        raise TimestampUnavailable("no usable answer: " + "; ".join(map(str, failures)))

    def _ask(self, url: str, request: bytes) -> bytes:
        headers = {
            "Content-Type": "application/timestamp-query",
            "Accept": "application/timestamp-reply",
        }
        with self._client.stream("POST", url, content=request, headers=headers) as response:
            if response.status_code != HTTPStatus.OK:
                raise TimestampUnavailable(f"HTTP status {response.status_code}")
            answer = bytearray()
            for chunk in response.iter_bytes():
                answer += chunk
                if len(answer) > MAX_RESPONSE:
                    raise TimestampRejected("the answer is too large")
        return bytes(answer)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
