"""The verification doors: every form, the same bytes as the command line, kept verdicts."""

import base64
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from api.models import Role
from signing import isolated_jobs
from signing.isolation import Isolation
from tests.api.office import Office, empty_pdf
from tests.pdf.signing_kit import person, root
from tests.pdf.signing_kit import sign as sign_pdf
from tests.signing.test_edxml import message, zipped

PDF = {"Content-Type": "application/pdf"}


def anchor() -> str:
    return root()[0].public_bytes(serialization.Encoding.PEM).decode()


def broken() -> bytes:
    data = bytearray(sign_pdf(empty_pdf()))
    data[data.index(b"/MediaBox") + 11] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("accept", "kind", "start"),
    [
        (None, "application/json", b'{"file"'),
        ("*/*", "application/json", b'{"file"'),
        ("application/xml", "application/xml", b"<?xml"),
        ("text/xml;q=0.9, application/json;q=0.1", "application/xml", b"<?xml"),
        ("text/html,application/xhtml+xml", "text/html", b"<!DOCTYPE html>"),
        ("application/pdf", "application/pdf", b"%PDF-1.7"),
    ],
)
def test_the_report_comes_in_the_form_that_is_accepted(
    office: Office, accept: str | None, kind: str, start: bytes
) -> None:
    headers = PDF | ({} if accept is None else {"Accept": accept})
    answer = office.call("POST", "/verify", content=sign_pdf(empty_pdf()), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].split(";")[0] == kind
    assert answer.content.startswith(start)
    assert "Accept" in answer.headers["vary"]


def test_a_form_that_is_not_offered_is_refused_before_work(office: Office) -> None:
    headers = PDF | {"Accept": "image/png"}
    answer = office.call("POST", "/verify", content=b"%PDF-", headers=headers)
    assert answer.status_code == 406
    assert answer.json()["code"] == "form_not_offered"


def test_a_page_speaks_the_callers_language_and_may_style_itself(office: Office) -> None:
    for language, words in (("vi", "TRẢ LẠI văn bản"), ("en", "RETURN the document")):
        headers = PDF | {"Accept": "text/html", "Accept-Language": language}
        answer = office.call("POST", "/verify", content=broken(), headers=headers)
        assert words in answer.text
        assert answer.headers["content-language"] == language
        assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("form", ["json", "xml"])
def test_command_line_and_rest_give_the_same_bytes(
    office: Office, tmp_path: Path, form: str
) -> None:
    (tmp_path / "root.pem").write_text(anchor())
    at = "2026-06-01T00:00:00Z"
    for name, data in (("a.pdf", sign_pdf(empty_pdf())), ("b.pdf", broken()), ("c.pdf", b"?")):
        (tmp_path / name).write_bytes(data)
        files = {"file": (name, data), "options": (None, json.dumps({"trust": anchor(), "at": at}))}
        accept = {"Accept": f"application/{form}"}
        rest = office.call("POST", "/verify", files=files, headers=accept).content
        script = Path(sys.executable).with_name("antin")
        asked = ["verify", name, "--trust", "root.pem", "--at", at, "--offline", "--format", form]
        done = subprocess.run([script, *asked], cwd=tmp_path, capture_output=True, check=False)
        assert timeless(done.stdout) == timeless(rest) != b""


def timeless(report: bytes) -> bytes:
    """Take out when the question was asked, which the XML does not say."""
    if report.startswith(b"<"):
        return report
    checked_at = json.loads(report)["checked_at"].encode()
    return report.replace(checked_at, b"")


def kept(office: Office, data: bytes) -> str:
    files = {"file": ("văn bản.pdf", data), "options": (None, json.dumps({"store": True}))}
    answer = office.call("POST", "/verify", files=files)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-verification-id"]


def ours(office: Office) -> bytes:
    certificate = office.certificate()
    signed = office.sign(empty_pdf(), certificate_id=certificate["id"])
    assert signed.status_code == 200, signed.text
    return signed.content


def test_a_kept_verdict_is_shown_exported_and_repeated_after_a_revocation(office: Office) -> None:
    certificate = office.certificate()
    data = office.sign(empty_pdf(), certificate_id=certificate["id"], level="B-B").content
    id_ = kept(office, data)
    shown = office.call("GET", f"/verifications/{id_}")
    assert shown.json()["indication"] == "TOTAL_PASSED"
    assert shown.json()["signatures"][0]["registry"]["post"] == "Chuyên viên"

    body = {"reason": "key_compromise"}
    revoked = office.call("POST", f"/certificates/{certificate['id']}/revoke", json=body)
    assert revoked.is_success, revoked.text
    assert office.verify(data)["indication"] == "INDETERMINATE"

    files = {"file": ("văn bản.pdf", data)}
    again = office.call("POST", f"/verifications/{id_}/replay", files=files)
    assert again.status_code == 200, again.text
    assert again.json()["same"] is True
    assert again.json()["report"]["indication"] == "TOTAL_PASSED"

    exported = office.call("GET", f"/verifications/{id_}/evidence")
    with zipfile.ZipFile(io.BytesIO(exported.content)) as archive:
        names = archive.namelist()
        assert json.loads(archive.read("report.json")) == shown.json()
        manifest = json.loads(archive.read("manifest.json"))
    assert sum(name.startswith("certificate/") for name in names) >= 3
    assert manifest["policy"]["revocation"]
    assert exported.content == office.call("GET", f"/verifications/{id_}/evidence").content


def test_another_document_is_not_repeated_under_a_kept_verdict(office: Office) -> None:
    id_ = kept(office, sign_pdf(empty_pdf()))
    answer = office.call("POST", f"/verifications/{id_}/replay", content=b"%PDF-", headers=PDF)
    assert answer.status_code == 409
    assert answer.json()["code"] == "document_differs"


def test_a_destroyed_verdict_leaves_a_tombstone_and_nothing_else(office: Office) -> None:
    data = ours(office)
    first, second = kept(office, data), kept(office, data)
    gone = office.call("DELETE", f"/verifications/{first}", json={"reason": "hết thời hạn lưu"})
    assert gone.status_code == 200, gone.text
    assert gone.json()["reason"] == "hết thời hạn lưu"
    for path in ("", "/evidence", "/return-notice"):
        answer = office.call("GET", f"/verifications/{first}{path}")
        assert answer.status_code == 410
        assert "hết thời hạn lưu" in answer.json()["detail"] or answer.json()["code"]
    # what another verdict rests on stays
    files = {"file": ("văn bản.pdf", data)}
    assert office.call("POST", f"/verifications/{second}/replay", files=files).json()["same"]
    entries = office.call("GET", "/audit", params={"limit": 100}).json()["items"]
    assert "verify.destroyed" in {entry["action"] for entry in entries}


def test_a_kept_report_is_its_callers_and_the_auditors(office: Office) -> None:
    id_ = kept(office, sign_pdf(empty_pdf()))
    other = office.token((Role.VERIFIER, None))
    assert office.call("GET", f"/verifications/{id_}", token=other).status_code == 404
    auditor = office.token((Role.AUDITOR, None))
    assert office.call("GET", f"/verifications/{id_}", token=auditor).status_code == 200


def test_the_notice_of_return_is_printed_for_a_bad_document_only(office: Office) -> None:
    id_ = kept(office, broken())
    notice = office.call("GET", f"/verifications/{id_}/return-notice")
    assert notice.headers["content-type"] == "application/pdf"
    page = office.call(
        "GET",
        f"/verifications/{id_}/return-notice",
        headers={"Accept": "text/html", "Accept-Language": "vi"},
    )
    assert "PHIẾU TRẢ LẠI VĂN BẢN" in page.text
    assert "SIGNATURE_FAILED" in page.text
    good = kept(office, ours(office))
    refused = office.call("GET", f"/verifications/{good}/return-notice")
    assert refused.status_code == 409
    assert refused.json()["code"] == "nothing_to_return"


def detached(data: bytes) -> bytes:
    who = person()
    builder = pkcs7.PKCS7SignatureBuilder().set_data(data)
    builder = builder.add_signer(who.certificate, who.key, hashes.SHA256())  # type: ignore[arg-type]
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    return builder.sign(serialization.Encoding.DER, options)


def test_a_detached_signature_comes_with_its_content(office: Office, tmp_path: Path) -> None:
    content = "nội dung bất kỳ".encode()
    signature = detached(content)
    files = {
        "file": ("a.xlsx.p7s", signature),
        "content": ("a.xlsx", content),
        "options": (None, json.dumps({"trust": anchor()})),
    }
    report = office.call("POST", "/verify", files=files).json()
    assert report["indication"] == "TOTAL_PASSED"
    assert report["file"] == "a.xlsx"
    other = office.call("POST", "/verify", files={**files, "content": ("a.xlsx", b"other")}).json()
    assert other["signatures"][0]["sub_indication"] == "HASH_FAILURE"

    (tmp_path / "a.xlsx").write_bytes(content)
    (tmp_path / "a.p7s").write_bytes(signature)
    (tmp_path / "root.pem").write_text(anchor())
    script = Path(sys.executable).with_name("antin")
    asked = ["verify", "a.p7s", "--content", "a.xlsx", "--trust", "root.pem", "--offline"]
    done = subprocess.run([script, *asked], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_exchange_message_names_a_sender_that_we_know(office: Office) -> None:
    unit = office.organization(name="Ủy ban nhân dân xã")
    packed = zipped(("a.pdf", sign_pdf(empty_pdf())))
    sent = message([("c1", "a.pdf", packed)]).replace(b"000.00.01.H10", unit["code"].encode())
    files = {"file": ("v.edxml", sent), "options": (None, json.dumps({"trust": anchor()}))}
    report = office.call("POST", "/edoc/verify", files=files).json()
    assert report["indication"] == report["attachments"][0]["indication"] == "TOTAL_PASSED"
    assert report["sender"]["name"] == "Ủy ban nhân dân xã"
    raw = office.call(
        "POST", "/edoc/verify", content=b"<a/>", headers={"Content-Type": "application/xml"}
    )
    assert raw.json()["decision"]["accept"] is False


def test_a_document_that_hangs_its_reader_costs_one_request(office: Office) -> None:
    hostile = Isolation(size=2, module="tests.signing.hostile_worker")
    office.wiring.isolation = hostile
    assert isolated_jobs  # the hostile worker stands in for a document that finds a way
    try:
        files = {"file": ("dead.pdf", empty_pdf())}
        report = office.call("POST", "/verify", files=files).json()
        assert report["decision"]["reasons"][0]["code"] == "LIMIT_EXCEEDED"
        assert office.verify(empty_pdf())["indication"] == "NO_SIGNATURE"
    finally:
        hostile.close()


def test_base64_of_a_certificate_is_no_signature(office: Office) -> None:
    data = base64.b64encode(person().certificate.public_bytes(serialization.Encoding.DER))
    report = office.call("POST", "/verify", files={"file": ("x.p7s", data)}).json()
    assert report["signatures"][0]["sub_indication"] == "FORMAT_FAILURE"
    assert x509.load_der_x509_certificate(base64.b64decode(data))
