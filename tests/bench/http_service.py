"""The whole service as a process of its own, with one certificate issued, to be put under load."""

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.bench.http_load import ROOT, Server, free_port

START_TIMEOUT_SECONDS = 90


@dataclass(frozen=True)
class Service:
    """A running service: where it answers, who may call it, and what it has issued."""

    server: Server
    token: str
    certificate_id: str
    ocsp_request: bytes
    home: Path


@contextlib.contextmanager
def service(
    *, workers: int = 1, home: str | None = None, issuing: bool = True
) -> Iterator[Service]:
    """Run `antin serve` with keys in files, in a home that is removed unless it is given."""
    token, port = secrets.token_urlsafe(32), free_port()
    with contextlib.ExitStack() as stack:
        where = home or stack.enter_context(tempfile.TemporaryDirectory(prefix="antin-bench-"))
        settings = {
            "ANTIN_HOME": where,
            "ANTIN_PORT": str(port),
            "ANTIN_WORKERS": str(workers),
            "ANTIN_ADMIN_TOKEN": token,
            "ANTIN_PKCS11_MODULE": "",
            "ANTIN_LOG_LEVEL": "error",
        }
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ANTIN_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve"],
            cwd=ROOT,
            env={**inherited, **settings},
            stdout=subprocess.DEVNULL,
        )
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60
            ) as client:
                await_ready(client, process)
                pem = issue(client, token) if issuing else {"id": "", "pem": ""}
                yield Service(
                    server=Server(port=port, process=psutil.Process(process.pid)),
                    token=token,
                    certificate_id=pem["id"],
                    ocsp_request=ocsp_request(client, pem["pem"]) if issuing else b"",
                    home=Path(where),
                )
        finally:
            process.terminate()
            process.wait(timeout=START_TIMEOUT_SECONDS)


def await_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Wait until the service says that it is ready."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if client.get("/readyz").is_success:
                return
        time.sleep(0.1)
    raise RuntimeError("the service does not become ready")


def issue(client: httpx.Client, token: str) -> dict[str, Any]:
    """Have one personal certificate with an RSA-2048 key issued, by two administrators."""

    def ask(path: str, body: dict[str, object], bearer: str = token) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {bearer}"}
        answer = client.post(f"/api/v1/{path}", json=body, headers=headers)
        return dict(answer.raise_for_status().json())

    organization = ask("organizations", {"code": "1", "name": "Sở Nội vụ", "level": "province"})
    subscriber = ask(
        "subscribers",
        {"organization_id": organization["id"], "full_name": "Trần Văn Đức", "post": "Văn thư"},
    )
    request = ask(
        "certificate-requests", {"subscriber_id": subscriber["id"], "key_algorithm": "rsa-2048"}
    )
    second = ask("api-tokens", {"name": "second", "roles": [{"role": "administrator"}]})["token"]
    approved = ask(f"certificate-requests/{request['id']}/approve", {}, bearer=second)
    return dict(approved["certificate"])


def ocsp_request(client: httpx.Client, pem: str) -> bytes:
    """Write the OCSP request for a certificate, without a nonce."""
    own = x509.load_pem_x509_certificate(pem.encode())
    issuer = x509.load_der_x509_certificate(client.get("/pki/issuing.cer").content)
    builder = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA256())
    return builder.build().public_bytes(Encoding.DER)


def sample() -> bytes:
    """Read the document that the demonstration signs."""
    return (Path(ROOT) / "docs" / "samples" / "quyet-dinh.pdf").read_bytes()
