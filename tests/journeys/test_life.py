"""The whole life of a certificate on a token, with second opinions from tools of other makers."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.softhsm import find_softhsm_module
from tests.journeys.running import SAMPLE, Json, Office, Running, made

pytestmark = pytest.mark.token


def run(*arguments: str | Path, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        list(map(str, arguments)), input=data, capture_output=True, timeout=60, check=False
    )


@pytest.fixture
def folder(server: Running, tmp_path: Path) -> Path:
    """A folder with root.pem, issuing.pem and chain.pem, fetched from the server."""
    chain = ""
    for slug in ("issuing", "root"):
        der = httpx.get(f"{server.base}/pki/{slug}.cer", timeout=60, trust_env=False).content
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
        (tmp_path / f"{slug}.pem").write_text(pem)
        chain += pem
    (tmp_path / "chain.pem").write_text(chain)
    return tmp_path


def signed(office: Office, certificate: Json, level: str, target: Path) -> Path:
    with SAMPLE.open("rb") as file:
        answer = office.first.post(
            "/api/v1/sign",
            files={"file": ("quyết định.pdf", file)},
            data={
                "options": json.dumps(
                    {"certificate_id": certificate["id"], "level": level, "stamp": "standard"}
                )
            },
        )
    assert answer.status_code == 200, answer.text
    target.write_bytes(answer.content)
    return target


def test_the_main_job_from_request_to_revocation(office: Office, folder: Path) -> None:
    server = office.server
    certificate = office.certificate()
    assert certificate["key_on_server"]
    (folder / "own.pem").write_text(certificate["pem"])
    assert (
        run("openssl", "verify", "-CAfile", folder / "chain.pem", folder / "own.pem").returncode
        == 0
    )

    claimed = signed(office, certificate, "B-B", folder / "B-B.pdf")
    proven = signed(office, certificate, "B-T", folder / "B-T.pdf")
    for document in (claimed, proven):
        assert run("qpdf", "--check", document).returncode == 0
        shown = run("pdftotext", "-layout", document, "-").stdout.decode()
        assert "Ủy ban nhân dân tỉnh Bình Phước" in shown
        assert "Nguyễn Thị Hoài Thương" in shown
        opinion = run("pdfsig", document).stdout.decode()
        assert "Total document signed" in opinion
        assert "Signature is Valid" in opinion or shutil.which("pdfsig") is None
        verdict = server.antin("verify", document, "--trust", folder / "root.pem")
        assert verdict.returncode == 0, verdict.stdout

    assert "good" in ocsp(server, folder)
    revoked_at = time.monotonic()
    path = f"/certificates/{certificate['id']}/revoke"
    made(office.first, path, {"reason": "key_compromise"})
    assert "revoked" in ocsp(server, folder)
    assert time.monotonic() - revoked_at < 5

    late = server.antin("verify", claimed, "--trust", folder / "root.pem", "--format", "json")
    (signature,) = json.loads(late.stdout)["signatures"]
    assert late.returncode == 2
    assert (signature["indication"], signature["sub_indication"]) == (
        "INDETERMINATE",
        "REVOKED_NO_POE",
    )
    assert signature["revocation"]["status"] == "REVOKED"
    before = server.antin("verify", proven, "--trust", folder / "root.pem")
    assert (before.returncode, "TOTAL_PASSED" in before.stdout) == (0, True), before.stdout
    assert_in_crl(server, folder, certificate["serial_number"])


def ocsp(server: Running, folder: Path) -> str:
    asked = run(
        "openssl", "ocsp", "-issuer", folder / "issuing.pem", "-cert", folder / "own.pem",
        "-CAfile", folder / "chain.pem", "-url", f"{server.base}/ocsp",
    )  # fmt: skip
    assert b"Response verify OK" in asked.stderr, asked.stderr
    return asked.stdout.decode()


def assert_in_crl(server: Running, folder: Path, serial_number: str) -> None:
    """Wait until the worker has published the next CRL, and let openssl read it."""
    deadline = time.monotonic() + 20
    while True:
        crl = httpx.get(f"{server.base}/pki/issuing.crl", timeout=60, trust_env=False).content
        read = run(
            "openssl", "crl", "-inform", "DER", "-noout", "-text", "-CAfile", folder / "chain.pem",
            data=crl,
        )  # fmt: skip
        assert b"verify OK" in read.stderr, read.stderr
        if f"{int(serial_number, 16):X}" in read.stdout.decode():
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_openssl_accepts_our_time_stamps(server: Running, folder: Path) -> None:
    query, reply = folder / "query.tsq", folder / "reply.tsr"
    run("openssl", "ts", "-query", "-data", SAMPLE, "-sha256", "-cert", "-out", query)
    answer = httpx.post(
        f"{server.base}/tsa", content=query.read_bytes(), timeout=60, trust_env=False
    )
    assert answer.headers["content-type"] == "application/timestamp-reply"
    reply.write_bytes(answer.content)
    checked = run(
        "openssl", "ts", "-verify", "-queryfile", query, "-in", reply,
        "-CAfile", folder / "root.pem", "-untrusted", folder / "issuing.pem",
    )  # fmt: skip
    assert b"Verification: OK" in checked.stdout, checked.stderr
    nonsense = httpx.post(f"{server.base}/tsa", content=b"nonsense", timeout=60, trust_env=False)
    assert nonsense.status_code == 200
    text = run("openssl", "ts", "-reply", "-in", "/dev/stdin", "-text", data=nonsense.content)
    assert b"Rejected" in text.stdout


def test_the_keys_are_on_a_token_and_secrets_are_private(server: Running, office: Office) -> None:
    if find_softhsm_module() is None:
        pytest.skip("SoftHSM is not installed")
    office.certificate(kind="p-256")
    assert json.loads((server.home / "keys.json").read_text())["kind"] == "token"
    tokens = list((server.home / "softhsm" / "tokens").iterdir())
    assert len(tokens) == 1
    for path in (server.home / "softhsm" / "pins").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        pin = path.read_text().strip()
        assert pin not in server.log.read_text()
    # As root, the database's own account may pass through the home; nobody else may look into it.
    assert server.home.stat().st_mode & 0o067 == 0
    log = server.log.read_text()
    assert server.token not in log
    assert "?" not in "".join(line for line in log.splitlines() if "antin.access" in line)


def test_operators_work_beside_the_running_server(server: Running, office: Office) -> None:
    certificate = office.certificate(kind="p-256")
    listed = json.loads(server.antin("certificates", "list", "--json").stdout)
    assert certificate["id"] in {row["id"] for row in listed}
    assert server.antin("certificates", "suspend", certificate["id"]).returncode == 0
    shown = office.first.get(f"/api/v1/certificates/{certificate['id']}").json()
    assert shown["status"] == "suspended"
    report = json.loads(server.antin("report", "certificates", "--json").stdout)["totals"]
    rest = report["in_force"] + report["suspended"] + report["revoked"] + report["expired"]
    assert report["issued"] == rest
    assert json.loads(server.antin("audit", "verify", "--json").stdout)["intact"]
    assert httpx.get(f"{server.base}/readyz", timeout=60, trust_env=False).status_code == 200


def test_a_busy_port_is_told_and_nothing_is_started(server: Running, tmp_path: Path) -> None:
    environment = server.environment | {"ANTIN_HOME": str(tmp_path / "other")}
    started = time.monotonic()
    done = Running(tmp_path, server.port, server.token, environment).antin("serve")
    assert time.monotonic() - started < 30
    assert done.returncode == 1
    assert done.stderr.startswith(f"antin: 127.0.0.1:{server.port} is in use")
    assert "ANTIN_PORT" in done.stderr
    assert not (tmp_path / "other").exists()
