"""Long-term levels at the doors: `/sign`, `/extend`, `antin sign`, `antin extend`."""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from cryptography.x509 import ocsp
from sqlalchemy import text

from ca.authority_signers import AuthoritySigner
from ca.tsa import TimeStampAuthority
from hsm.algorithms import default_for
from signing import upgrades
from tests.api.office import Office, empty_pdf
from tests.api.test_command_line import antin
from tests.ca.hierarchy import Entity
from tests.pdf.archive_kit import Province
from tests.pdf.signing_kit import pdfsig

PIN = "mật khẩu thử"


@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
def test_sign_gives_a_document_at_the_level_that_was_asked(office: Office, level: str) -> None:
    certificate = office.certificate()
    answer = office.sign(empty_pdf(), certificate_id=certificate["id"], level=level)
    assert answer.status_code == 200, answer.text
    shown = office.call("GET", f"/sign/{answer.headers['X-Sign-Request-Id']}").json()
    assert (shown["level"], shown["reached_level"], shown["upgrade"]) == (level, level, None)
    report = office.verify(answer.content)
    assert report["indication"] == "TOTAL_PASSED"
    first = report["signatures"][0]
    assert (first["level"], first["integrity"]["changes_after"]) == (level, "LTA_UPDATES")


def test_when_the_clock_was_moved_a_caller_may_take_the_signature_now_and_its_time_later(
    office: Office,
) -> None:
    certificate = office.certificate()
    moved = [0.0]
    began = office.wiring.monotonic
    office.wiring.monotonic = lambda: began() + moved[0]
    first = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-T")
    assert first.status_code == 200
    moved[0] = 60.0
    wanted = {"certificate_id": certificate["id"], "level": "B-LTA"}
    refused = office.sign(empty_pdf(), **wanted)
    assert (refused.status_code, refused.json()["code"]) == (503, "timestamp_unavailable")
    taken = office.sign(empty_pdf(), **wanted, when_no_timestamp="queue")
    assert taken.status_code == 200, taken.text
    path = f"/sign/{taken.headers['X-Sign-Request-Id']}"
    shown = office.call("GET", path).json()
    assert (shown["level"], shown["reached_level"], shown["upgrade"]) == ("B-LTA", "B-B", "queued")

    moved[0] = 0.0
    assert upgrades.raise_levels(office.wiring.desk, at=office.wiring.clock()) == 1
    shown = office.call("GET", path).json()
    assert (shown["reached_level"], shown["upgrade"]) == ("B-LTA", "done")
    later = office.call("GET", f"{path}/document").content
    assert later.startswith(taken.content)
    assert office.verify(later)["signatures"][0]["level"] == "B-LTA"


def test_extend_raises_what_was_signed_before_and_says_until_when(office: Office) -> None:
    certificate = office.certificate()
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B").content
    extended = extend(office, signed, level="B-LTA")
    assert extended.status_code == 200, extended.text
    assert extended.content.startswith(signed)
    assert extended.headers["X-Signature-Level"] == "B-LTA"
    until = datetime.fromisoformat(extended.headers["X-Proven-Until"])
    assert until > datetime.now(UTC) + timedelta(days=9 * 365)
    report = office.verify(extended.content)
    assert report["indication"] == "TOTAL_PASSED"
    assert report["signatures"][0]["level"] == "B-LTA"


def test_extend_says_why_it_cannot(office: Office) -> None:
    unsigned = extend(office, empty_pdf())
    assert (unsigned.status_code, unsigned.json()["code"]) == (422, "nothing_to_extend")
    certificate = office.certificate()
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-T").content
    broken = extend(office, signed.replace(b"/MediaBox[0 0 595", b"/MediaBox[0 0 596", 1))
    assert (broken.status_code, broken.json()["code"]) == (422, "signature_broken")
    wrong = extend(office, signed, level="B-XL")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "parameter_invalid")


def test_the_look_ahead_shows_what_ends_and_whether_it_is_stored(office: Office) -> None:
    certificate = office.certificate()
    office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B")
    office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-LTA")
    shown = office.call("GET", "/reports/proofs", params={"within_days": 2000}).json()
    assert [(each["level"], each["stored"]) for each in shown] == [("B-B", True)]
    everything = office.call("GET", "/reports/proofs", params={"within_days": 3650}).json()
    assert [each["level"] for each in everything] == ["B-B", "B-LTA"]


def test_the_same_key_gives_the_same_extended_document_again(office: Office) -> None:
    certificate = office.certificate()
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-T").content
    first = extend(office, signed, key="lưu-1".encode().hex())
    again = extend(office, signed, key="lưu-1".encode().hex())
    assert (first.status_code, again.status_code) == (200, 200), again.text
    assert again.content == first.content
    for name in ("X-Signature-Level", "X-Proven-Until", "X-Extended", "Content-Disposition"):
        assert again.headers[name] == first.headers[name]
    # B-LTA once more is another time-stamp: with another key, or without one, it is made
    assert extend(office, signed).content != first.content
    other = extend(office, signed, key="lưu-1".encode().hex(), level="B-LT")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    with office.wiring.engine.connect() as connection:
        query = text("SELECT count(*) FROM audit_log WHERE action = 'document.extended'")
        assert connection.scalar(query) == 2
    for kept in (office.wiring.settings.home / "documents").glob("*.pdf"):
        kept.unlink()
    gone = extend(office, signed, key="lưu-1".encode().hex())
    assert (gone.status_code, gone.json()["code"]) == (410, "document_gone")


def test_a_refused_extension_gives_its_key_back(office: Office) -> None:
    certificate = office.certificate()
    refused = extend(office, empty_pdf(), key="a")
    assert refused.json()["code"] == "nothing_to_extend"
    assert extend(office, empty_pdf(), key="a").json()["code"] == "nothing_to_extend"
    assert not list((office.wiring.settings.home / "documents").glob("*.pdf"))
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-T").content
    assert extend(office, signed, key="b").status_code == 200


def extend(office: Office, pdf: bytes, *, key: str | None = None, **options: str):  # noqa: ANN201 -- httpx's own
    headers = {"Content-Type": "application/pdf"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return office.call("POST", "/extend", content=pdf, params=options, headers=headers)


@dataclass
class Town:
    """A signer's files, and servers for time-stamps and OCSP on loopback."""

    province: Province
    folder: Path
    tsa: str


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    now = datetime.now(UTC).replace(microsecond=0)
    with serving() as (address, answers):
        province = Province(address=f"{address}/ocsp", since=now)
        answers["/ocsp"] = lambda body: answer_ocsp(province, body)
        signer = AuthoritySigner(
            province.tsa.cert,
            province.tsa.der,
            province.tsa.key,
            default_for(province.tsa.key.public_key()),
        )
        stamping = TimeStampAuthority(signer, others=[province.issuing.der, province.root.der])
        answers["/tsa"] = lambda body: stamping.reply(body, at=datetime.now(UTC))
        bundle = pkcs12.serialize_key_and_certificates(
            b"",
            province.signer.key,
            province.signer.cert,
            [province.issuing.cert, province.root.cert],
            BestAvailableEncryption(PIN.encode()),
        )
        (folder / "signer.p12").write_bytes(bundle)
        (folder / "pin").write_text(PIN)
        (folder / "root.pem").write_bytes(province.root.cert.public_bytes(Encoding.PEM))
        (folder / "in.pdf").write_bytes(empty_pdf())
        yield Town(province, folder, f"{address}/tsa")


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, dict[str, object]]]:
    answers: dict[str, object] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            content = answers[self.path](body)  # type: ignore[operator]
            self.send_response(200)
            kind = "timestamp-reply" if self.path == "/tsa" else "ocsp-response"
            self.send_header("Content-Type", f"application/{kind}")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer_ocsp(province: Province, body: bytes) -> bytes:
    asked = ocsp.load_der_ocsp_request(body).serial_number
    for issuer, entity in (
        (province.root, province.issuing),
        (province.issuing, province.signer),
        (province.issuing, province.tsa),
    ):
        if entity.cert.serial_number == asked:
            now = datetime.now(UTC)
            return Entity.ocsp(
                issuer,
                entity,
                responder=province.responders[issuer.der],
                this_update=now - timedelta(minutes=1),
                next_update=now + timedelta(hours=1),
            )
    return b"\x30\x03\x0a\x01\x06"


KEY = "soft:signer.p12?pin-source=file:pin"


def test_one_command_makes_a_document_that_proves_itself(town: Town) -> None:
    done = antin(
        *("sign", "in.pdf", "lta.pdf", "--key", KEY, "--level", "B-LTA", "--tsa", town.tsa),
        cwd=town.folder,
    )
    assert done.returncode == 0, done.stderr
    later = (datetime.now(UTC) + timedelta(days=3 * 365)).isoformat()
    judged = antin(
        *("verify", "lta.pdf", "--trust", "root.pem", "--offline", "--at", later),
        cwd=town.folder,
    )
    assert judged.returncode == 0, judged.stdout


def test_extend_goes_level_by_level_and_renews(town: Town) -> None:
    folder = town.folder
    assert antin("sign", "in.pdf", "b.pdf", "--key", KEY, cwd=folder).returncode == 0
    common = ("--tsa", town.tsa, "--trust", "root.pem")
    before = "b.pdf"
    for level, after in (("B-T", "t.pdf"), ("B-LT", "lt.pdf"), ("B-LTA", "lta2.pdf")):
        done = antin("extend", before, after, "--level", level, *common, cwd=folder)
        assert done.returncode == 0, done.stderr
        assert (folder / after).read_bytes().startswith((folder / before).read_bytes())
        assert "Signature is Valid" in pdfsig(folder / after).text
        before = after
    renewed = antin("extend", before, "renewed.pdf", *common, cwd=folder)
    assert renewed.returncode == 0, renewed.stderr
    judged = antin("verify", "renewed.pdf", "--trust", "root.pem", "--offline", cwd=folder)
    assert judged.returncode == 0, judged.stdout


def test_extend_says_what_is_missing(town: Town) -> None:
    folder = town.folder
    assert antin("sign", "in.pdf", "b2.pdf", "--key", KEY, cwd=folder).returncode == 0
    for arguments, code, word in (
        (("b2.pdf", "x.pdf", "--level", "B-T"), 1, "time-stamp server"),
        (("b2.pdf", "x.pdf", "--level", "B-LT", "--tsa", town.tsa), 1, "root"),
        (("in.pdf", "x.pdf", "--level", "B-T", "--tsa", town.tsa), 1, "no signature"),
        (("pin", "x.pdf"), 4, "PDF"),
        (("b2.pdf", "x.pdf", "--level", "B-Z"), 2, ""),
    ):
        done = antin("extend", *arguments, cwd=folder)
        assert done.returncode == code, done.stderr
        assert word in done.stderr
        assert not (folder / "x.pdf").exists()


@pytest.mark.parametrize("level", ["B-B", "B-T", "B-LT"])
def test_any_file_is_signed_beside_itself(town: Town, level: str) -> None:
    folder = town.folder
    (folder / "số liệu.xlsx").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 50)
    stamped = ("--tsa", town.tsa, "--level", level) if level != "B-B" else ()
    done = antin(
        *("sign", "số liệu.xlsx", "số liệu.p7s", "--detached", "--key", KEY, *stamped),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    for content, code in (("số liệu.xlsx", 0), ("in.pdf", 4)):
        told = subprocess.run(
            [
                *("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER"),
                *("-in", "số liệu.p7s", "-content", content, "-CAfile", "root.pem"),
                *("-purpose", "any", "-out", "/dev/null"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == code, told.stderr


def test_a_signature_beside_its_file_is_extended_and_proves_itself(town: Town) -> None:
    folder = town.folder
    (folder / "a.csv").write_bytes(b"1;2;3\n" * 1000)
    assert antin("sign", "a.csv", "b.p7s", "--detached", "--key", KEY, cwd=folder).returncode == 0
    common = ("--content", "a.csv", "--tsa", town.tsa, "--trust", "root.pem")
    done = antin("extend", "b.p7s", "lt.p7s", "--level", "B-LT", *common, cwd=folder)
    assert done.returncode == 0, done.stderr
    later = (datetime.now(UTC) + timedelta(days=3 * 365)).isoformat()
    asked = ("--content", "a.csv", "--trust", "root.pem", "--offline", "--at", later)
    assert antin("verify", "lt.p7s", *asked, cwd=folder).returncode == 0
    assert antin("verify", "b.p7s", *asked, cwd=folder).returncode == 2
    archived = antin("extend", "lt.p7s", "lta.p7s", *common, "--json", cwd=folder)
    assert archived.returncode == 0, archived.stderr
    told = json.loads(archived.stdout)
    assert (told["level"], told["changed"]) == ("B-LTA", True)
    judged = antin("verify", "lta.p7s", *asked, "--format", "json", cwd=folder)
    (signature,) = json.loads(judged.stdout)["signatures"]
    assert (signature["level"], signature["indication"]) == ("B-LTA", "TOTAL_PASSED")


def test_a_signature_beside_its_file_is_extended_over_rest(office: Office, town: Town) -> None:
    folder = town.folder
    content = b"1;2;3\n" * 100
    (folder / "bang.csv").write_bytes(content)
    beside = ("sign", "bang.csv", "bang.p7s", "--detached", "--key", KEY)
    assert antin(*beside, cwd=folder).returncode == 0
    signature = (folder / "bang.p7s").read_bytes()

    def sent(over: bytes = content, key: str | None = None, **options: str):  # noqa: ANN202 -- httpx's own
        files = {"file": ("bang.p7s", signature), "content": ("bang.csv", over)}
        headers = {} if key is None else {"Idempotency-Key": key}
        return office.call("POST", "/extend", files=files, data=options, headers=headers)

    raised = sent(level="B-T", key="a")
    assert raised.status_code == 200, raised.text
    assert raised.headers["content-type"] == "application/pkcs7-signature"
    assert len(raised.content) > len(signature)
    assert sent(level="B-T", key="a").content == raised.content
    other = sent(content + b" ", level="B-T", key="a")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    # without a level it is the highest there is; nobody here knows the signer's issuer
    assert sent().json()["code"] == "certificate_unproven"
    assert sent(content + b" ", level="B-T").json()["code"] == "signature_broken"
