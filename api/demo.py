"""The demonstration: a server of its own, the main job through REST, and files left in `out/`.

Two administrators, because nobody approves an own request. The server's home lies in a temporary
folder and is removed at the end; so is every process.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from api.errors import SetUpFailed
from api.settings import demo_environment
from api.vault import VaultKind
from pdf.document import Document
from pdf.errors import PdfError
from pdf.plain_document import opened
from pdf.words import find_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ORGANIZATION: Final = "Ủy ban nhân dân tỉnh Bình Phước"
SIGNER: Final = "Nguyễn Thị Hoài Thương"
POST: Final = "Phó Chủ tịch"
SOFT_NOTE: Final = "soft: không có PKCS#11, khóa trong tệp mã hóa / no PKCS#11, keys in files"
_WHERE: Final = {True: ("trên thiết bị", "on the token"), False: ("trong tệp", "in a file")}
START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 30.0
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, what came of it, and whether it should have."""

    vi: str
    en: str
    result: str
    milliseconds: float
    as_expected: bool


@dataclass(slots=True)
class Demo:
    """One run; `steps` tells afterwards what happened."""

    document: Path
    out: Path
    steps: list[Step] = field(default_factory=list)
    _client: httpx.Client = field(default_factory=httpx.Client)
    _certificate: Json = field(default_factory=dict)
    _on_token: bool = True

    def play(self) -> None:
        """Do everything; raises SetUpFailed when the server does not come up.

        The document is looked at first: OSError and PdfError come before anything is started.
        """
        with self.document.open("rb") as file:
            _look(file)
        self.out.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with _server(self.out / "server.log") as (base, token, kind):
            self._on_token = kind is VaultKind.TOKEN
            where = f"{base}, {'PKCS#11' if self._on_token else SOFT_NOTE}"
            self._note("Khởi động máy chủ", "Start the server", where, started, expected=True)
            with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
                self._client = client
                client.headers["Authorization"] = f"Bearer {token}"
                self._life(base)

    def _life(self, base: str) -> None:
        request = self._ask_for_certificate()
        self._approve(base, request)
        self._trust_files(base)
        for level in ("B-B", "B-T"):
            self._sign(level)
        self._verify("B-B", "TOTAL_PASSED", "trước khi thu hồi", "before the revocation")
        self._verify("B-T", "TOTAL_PASSED", "trước khi thu hồi", "before the revocation")
        self._ocsp("GOOD")
        self._revoke()
        self._ocsp("REVOKED")
        self._verify("B-B", "INDETERMINATE", "sau khi thu hồi", "after the revocation")
        self._verify("B-T", "TOTAL_PASSED", "sau khi thu hồi", "after the revocation")
        self._report()

    def _ask_for_certificate(self) -> str:
        started = time.monotonic()
        organization = self._post(
            "/organizations",
            {"code": "000.00.00.H10", "name": ORGANIZATION, "level": "province"},
        )
        subscriber = self._post(
            "/subscribers",
            {"organization_id": organization["id"], "full_name": SIGNER, "post": POST},
        )
        request = self._post(
            "/certificate-requests",
            {"subscriber_id": subscriber["id"], "key_algorithm": "rsa-2048"},
        )
        said = f"{SIGNER}, {ORGANIZATION}"
        self._note(
            "Đề nghị cấp chứng thư số cá nhân",
            "Request a personal certificate",
            said,
            started,
            expected=request["state"] == "received",
        )
        return str(request["id"])

    def _approve(self, base: str, request: str) -> None:
        """Let a second administrator approve; the key is made on the token."""
        token = self._post(
            "/api-tokens",
            {"name": "quản trị viên thứ hai", "roles": [{"role": "administrator"}]},
        )
        own = self._client.post(f"/api/v1/certificate-requests/{request}/approve")
        started = time.monotonic()
        headers = {"Authorization": f"Bearer {token['token']}"}
        with httpx.Client(base_url=base, timeout=60, trust_env=False, headers=headers) as second:
            answer = second.post(f"/api/v1/certificate-requests/{request}/approve")
        if answer.is_success:
            self._certificate = cast("Json", answer.json()["certificate"])
            (self.out / "certificate.pem").write_text(str(self._certificate["pem"]))
        where_vi, where_en = _WHERE[self._on_token]
        self._note(
            f"Người thứ hai phê duyệt, cấp chứng thư số (khóa {where_vi})",
            f"A second person approves, the certificate is issued (key {where_en})",
            f"số serial {self._certificate.get('serial_number', answer.text)}",
            started,
            expected=answer.is_success and own.status_code == httpx.codes.FORBIDDEN,
        )

    def _trust_files(self, base: str) -> None:
        chain = ""
        for slug in ("issuing", "root"):
            der = httpx.get(f"{base}/pki/{slug}.cer", trust_env=False).raise_for_status().content
            text = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
            (self.out / f"{slug}.pem").write_text(text)
            chain += text
        (self.out / "chain.pem").write_text(chain)

    def _sign(self, level: str) -> None:
        started = time.monotonic()
        with self.document.open("rb") as file:
            answer = self._client.post(
                "/api/v1/sign",
                files={"file": (self.document.name, file, "application/pdf")},
                data={
                    "certificate_id": str(self._certificate["id"]),
                    "level": level,
                    "stamp": "standard",
                    **self._place(),
                    "reason": "Phê duyệt văn bản",
                    "location": "Bình Phước",
                },
                headers={"Idempotency-Key": f"demo-{level}"},
            )
        path = self._signed(level)
        if answer.is_success:
            path.write_bytes(answer.content)
        self._note(
            f"Ký số {level}, có hình ảnh chữ ký",
            f"Sign at {level} with a visible stamp",
            str(path) if answer.is_success else answer.text,
            started,
            expected=answer.is_success,
        )

    def _place(self) -> dict[str, str]:
        """Stand above the signer's name where the document names them, else where stamps stand."""
        with self.document.open("rb") as file:
            try:
                find_words(file, SIGNER, occurrence=-1, page=None, password=None)
            except PdfError:
                return {}
        return {"anchor": "{name}"}

    def _verify(self, level: str, expected: str, when_vi: str, when_en: str) -> None:
        started = time.monotonic()
        path = self._signed(level)
        answer = self._client.post(
            "/api/v1/verify",
            content=path.read_bytes(),
            params={"file_name": path.name},
            headers={"Content-Type": "application/pdf"},
        )
        report = answer.json()
        name = f"{path.stem}.{'before' if 'before' in when_en else 'after'}.json"
        (self.out / name).write_bytes(answer.content)
        last = (report.get("signatures") or [{}])[-1]
        words = " ".join(filter(None, (last.get("indication"), last.get("sub_indication"))))
        self._note(
            f"Kiểm tra {level} {when_vi}",
            f"Verify {level} {when_en}",
            words or answer.text,
            started,
            expected=last.get("indication") == expected and _as_expected(last, expected),
        )

    def _revoke(self) -> None:
        started = time.monotonic()
        revoked = self._post(
            f"/certificates/{self._certificate['id']}/revoke", {"reason": "key_compromise"}
        )
        self._note(
            "Thu hồi chứng thư số",
            "Revoke the certificate",
            f"{revoked['status']}, {revoked['revocation_reason']}",
            started,
            expected=revoked["status"] == "revoked",
        )

    def _ocsp(self, expected: str) -> None:
        started = time.monotonic()
        own = x509.load_pem_x509_certificate(str(self._certificate["pem"]).encode())
        issuer = x509.load_pem_x509_certificate((self.out / "issuing.pem").read_bytes())
        builder = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, hashes.SHA256())
        answer = self._client.post(
            "/ocsp",
            content=builder.build().public_bytes(Encoding.DER),
            headers={"Content-Type": "application/ocsp-request"},
        )
        (self.out / f"ocsp.{expected.lower()}.der").write_bytes(answer.content)
        status = ocsp.load_der_ocsp_response(answer.content).certificate_status.name
        self._note("Hỏi OCSP", "Ask OCSP", status, started, expected=status == expected)

    def _report(self) -> None:
        started = time.monotonic()
        answer = self._client.get("/api/v1/reports/certificates?by=kind,status")
        totals = answer.raise_for_status().json()["totals"]
        rest = totals["in_force"] + totals["suspended"] + totals["revoked"] + totals["expired"]
        audit = self._client.get("/api/v1/audit/verify").raise_for_status().json()
        self._note(
            "Thống kê và nhật ký",
            "Report and audit log",
            f"issued {totals['issued']} = {rest}; audit {audit['entries']} entries, "
            f"{'intact' if audit['intact'] else 'BROKEN'}",
            started,
            expected=totals["issued"] == rest and audit["intact"],
        )

    def _post(self, path: str, body: Mapping[str, object]) -> Json:
        answer = self._client.post(f"/api/v1{path}", json=dict(body))
        if not answer.is_success:
            raise SetUpFailed(f"{path} answered {answer.status_code}: {answer.text}")
        return cast("Json", answer.json())

    def _signed(self, level: str) -> Path:
        return self.out / f"{self.document.stem}.{level}.pdf"

    def _note(self, vi: str, en: str, result: str, started: float, *, expected: bool) -> None:
        self.steps.append(Step(vi, en, result, (time.monotonic() - started) * 1000, expected))


def _as_expected(signature: Mapping[str, object], expected: str) -> bool:
    """Check that a verdict that is not a pass has its reason in the revocation."""
    if expected == "TOTAL_PASSED":
        return True
    return signature.get("sub_indication") == "REVOKED_NO_POE"


@contextlib.contextmanager
def _server(log: Path) -> Iterator[tuple[str, str, VaultKind]]:
    """Run a server in a home of its own; gives address, administrator's token, place of keys."""
    home = Path(tempfile.mkdtemp(prefix="antin-demo-"))
    token = secrets.token_urlsafe(32)
    port = _free_port()
    base = f"http://127.0.0.1:{port}"
    environment = demo_environment(home=home, port=port, token=token)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(base, process, log)
            yield base, token, VaultKind(json.loads((home / "keys.json").read_text())["kind"])
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            shutil.rmtree(home, ignore_errors=True)


def _wait(base: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{base}/readyz", timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise SetUpFailed(f"the demonstration's server did not start; its last words are in {log}")


def _look(file: BinaryIO) -> None:
    """Find out whether this is a PDF at all, before anything is started for it."""
    with opened(file) as buffer:
        Document(buffer).latest.pages()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
