"""Fetching over TLS: the server is checked against the name in the address, and who vouches."""

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.guarded_fetch import Fetcher, FetchLimits, FetchRefused
from tests.ca.hierarchy import YEAR, key_usage, root

LOOPBACK = FetchLimits(allowed=(ipaddress.ip_network("127.0.0.0/8"),))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 300_000)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- as in http.server
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A server on 127.0.0.1 whose certificate is for that address; gives its URL."""
    now = datetime.now(UTC)
    top = root("TLS", validity=(now - YEAR, now + YEAR))
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    end = top.issue(
        "server",
        extensions=[(names, False), (key_usage("digital_signature"), True)],
        validity=(now - YEAR, now + YEAR),
    )
    key = end.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "server.pem").write_bytes(key + end.cert.public_bytes(Encoding.PEM))
    (tmp_path / "root.pem").write_bytes(top.cert.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that gives up
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_server_that_somebody_trusted_vouches_for_is_asked(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    assert Fetcher(LOOPBACK).get(f"{server}/list") == b"x" * 300_000


def test_a_server_that_nobody_vouches_for_is_not(server: str) -> None:
    with pytest.raises(FetchRefused, match="SSLCertVerificationError"):
        Fetcher(LOOPBACK).get(f"{server}/list")


def test_a_server_of_another_name_is_not(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    with pytest.raises(FetchRefused, match="SSLCertVerificationError"):
        Fetcher(LOOPBACK).get(server.replace("127.0.0.1", "localhost") + "/list")
