"""Ask a running server about every revocation as soon as it is acknowledged, and ever again."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

OLDER: Final = 3
"""Questions about earlier revocations for each one that is new."""
REST: Final = 0.02


def watch(base: str, journal: Path, seen: Path) -> None:
    """Go on until SIGTERM, then write what was seen."""
    stop: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    watcher = Watcher(base)
    read = 0
    while not stop:
        lines = journal.read_bytes()
        whole = lines.rfind(b"\n") + 1
        new = [line[2:].decode() for line in lines[read:whole].splitlines() if line[:2] == b"r "]
        read = whole
        watcher.ask_about(new)
        time.sleep(REST)
    seen.write_text(json.dumps(watcher.figures))


class Watcher:
    """Asks over HTTP, by new connections, so that all web processes come to answer."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._chance = random.Random(1)  # noqa: S311 -- what to ask about
        self._revoked: list[str] = []
        issuer = x509.load_der_x509_certificate(self._get("/pki/issuing.cer"))
        self._name = issuer.subject.public_bytes()
        key = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self._key = key
        self.figures = {"asked": 0, "good_after_revocation": 0, "no_answer": 0}

    def ask_about(self, new: list[str]) -> None:
        self._revoked += new
        again = self._chance.choices(self._revoked, k=OLDER) if self._revoked else []
        with httpx.Client(trust_env=False, timeout=30) as client:
            for serial in (*new, *again):
                self._ask(client, serial)

    def _ask(self, client: httpx.Client, serial: str) -> None:
        algorithm = self._chance.choice((hashes.SHA1(), hashes.SHA256()))  # noqa: S303 -- names, as RFC 5019 says
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            _digest(algorithm, self._name),
            _digest(algorithm, self._key),
            int(serial, 16),
            algorithm,
        )
        if self._chance.random() < 0.3:
            builder = builder.add_extension(
                x509.OCSPNonce(self._chance.randbytes(16)), critical=False
            )
        try:
            content = builder.build().public_bytes(Encoding.DER)
            body = client.post(f"{self._base}/ocsp", content=content).content
            answer = ocsp.load_der_ocsp_response(body)
        except (httpx.TransportError, ValueError):
            self.figures["no_answer"] += 1
            return
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            self.figures["no_answer"] += 1
            return
        self.figures["asked"] += 1
        if answer.certificate_status is not ocsp.OCSPCertStatus.REVOKED:
            self.figures["good_after_revocation"] += 1

    def _get(self, path: str) -> bytes:
        return (
            httpx.get(f"{self._base}{path}", timeout=60, trust_env=False).raise_for_status().content
        )


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
