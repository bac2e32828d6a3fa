"""Documents through the doors: signed at once or later, verified, refused, and nothing half."""

import base64
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from sqlalchemy import text

from api.models import Role
from tests.api.conftest import UPLOAD_LIMIT
from tests.api.office import Json, Office, csr_pem, empty_pdf

PDF = empty_pdf()
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffd9")


def stored(office: Office) -> tuple[int, int, list[Path]]:
    """Count sign requests and signatures, and list the files that are kept."""
    with office.wiring.engine.connect() as connection:
        requests = connection.scalar(text("SELECT count(*) FROM sign_requests"))
        signatures = connection.scalar(text("SELECT count(*) FROM signatures"))
    home = office.wiring.settings.home
    files = [*(home / "documents").iterdir(), *(home / "spool").iterdir()]
    return int(requests or 0), int(signatures or 0), files


def test_a_raw_pdf_is_signed_and_its_report_says_so(office: Office) -> None:
    certificate = office.certificate()
    answer = office.sign(
        PDF, certificate_id=certificate["id"], stamp="standard", page="1", file_name="Tờ trình.pdf"
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert "T%E1%BB%9D%20tr%C3%ACnh.pdf" in answer.headers["content-disposition"]
    assert answer.content.startswith(PDF)
    report = office.verify(answer.content)
    assert report["indication"] == "TOTAL_PASSED"
    (signature,) = report["signatures"]
    assert signature["level"] == "B-T"
    assert signature["registry"]["certificate_id"] == certificate["id"]
    again = office.call("GET", f"/sign/{answer.headers['x-sign-request-id']}/document")
    assert again.content == answer.content


def test_multipart_takes_options_as_json_or_as_parts(office: Office) -> None:
    certificate = office.certificate()
    name = f"serial:{certificate['serial_number']}"
    options = {"certificate_id": name, "level": "B-B", "box": [50, 50, 250, 120], "page": 1}
    for data in (
        {"options": json.dumps({**options, "stamp": {"preset": "standard"}})},
        {"certificate_id": name, "level": "B-B", "box": "50,50,250,120", "stamp": "standard"},
    ):
        answer = office.call("POST", "/sign", files={"file": ("a.pdf", PDF)}, data=data)
        assert answer.status_code == 200, answer.text
        assert office.verify(answer.content)["signatures"][0]["level"] == "B-B"


def test_the_key_may_be_named_instead_of_the_certificate(office: Office) -> None:
    certificate = office.certificate()
    with office.wiring.engine.connect() as connection:
        uri = connection.scalar(
            text("SELECT key_uri FROM certificates WHERE id = :id"), {"id": certificate["id"]}
        )
    assert office.sign(PDF, key=None, **{"key": None} if uri is None else {}).status_code == 422
    answer = office.call(
        "POST",
        "/sign",
        content=PDF,
        params={"key": uri},
        headers={"Content-Type": "application/pdf"},
    )
    assert answer.status_code == 200
    wrong = office.call("POST", "/sign", content=PDF, params={"key": "pkcs11:serial=0000"})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "certificate_not_found")


def test_a_holder_signs_later_and_once(office: Office) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = office.certificate(csr=csr_pem(key))
    waiting = office.sign(PDF, certificate_id=certificate["id"])
    assert waiting.status_code == 202
    state = waiting.json()
    assert state["status"] == "waiting"
    to_be_signed = base64.b64decode(state["to_be_signed"])
    digest = hashes.Hash(hashes.SHA256())
    digest.update(to_be_signed)
    assert digest.finalize() == base64.b64decode(state["digest"])
    path = f"/sign/{state['id']}"
    early = office.call("GET", f"{path}/document")
    assert (early.status_code, early.json()["code"]) == (409, "sign_request_not_signed")
    raw = key.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
    body = {"signature": base64.b64encode(raw).decode()}
    done = office.call("POST", f"{path}/signature", json=body)
    assert done.status_code == 200
    assert office.verify(done.content)["indication"] == "TOTAL_PASSED"
    assert office.call("POST", f"{path}/signature", json=body).content == done.content
    other = base64.b64encode(key.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))).decode()
    conflict = office.call("POST", f"{path}/signature", json={"signature": other})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "signature_conflict")
    assert office.call("GET", path).json()["status"] == "signed"
    assert office.call("DELETE", path).status_code == 409


def test_a_signature_of_another_key_is_refused_and_the_request_still_waits(office: Office) -> None:
    certificate = office.certificate(csr=csr_pem(ec.generate_private_key(ec.SECP256R1())))
    state = office.sign(PDF, certificate_id=certificate["id"]).json()
    path = f"/sign/{state['id']}"
    stranger = ec.generate_private_key(ec.SECP256R1())
    digest = utils.Prehashed(hashes.SHA256())
    forged = stranger.sign(base64.b64decode(state["digest"]), ec.ECDSA(digest))
    for raw in (forged, b"", b"\x30\x00", bytes(9000)):
        body = {"signature": base64.b64encode(raw).decode()}
        answer = office.call("POST", f"{path}/signature", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "signature_unacceptable")
    bad = office.call("POST", f"{path}/signature", json={"signature": "not base64"})
    assert bad.json()["code"] == "parameter_invalid"
    assert office.call("GET", path).json()["status"] == "waiting"
    assert office.call("DELETE", path).json()["status"] == "cancelled"
    assert stored(office)[1:] == (0, [])


def test_somebody_elses_sign_request_does_not_exist(office: Office) -> None:
    certificate = office.certificate()
    answer = office.sign(PDF, certificate_id=certificate["id"])
    path = f"/sign/{answer.headers['x-sign-request-id']}"
    for token in (office.second(), office.token((Role.SIGNER, None))):
        for method, tail in (("GET", ""), ("GET", "/document"), ("DELETE", "")):
            other = office.call(method, path + tail, token=token)
            assert (other.status_code, other.json()["code"]) == (404, "sign_request_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_missing"),
        (JPEG, "not_a_pdf"),
        (empty_pdf(pages=0), "no_pages"),
        (PDF[:200], "damaged_pdf"),
        (b"%PDF-1.7\n" + b"\x00" * 5000, "damaged_pdf"),
    ],
    ids=["empty", "jpeg", "no pages", "truncated", "zeros"],
)
def test_what_is_no_document_is_refused_and_nothing_is_kept(
    office: Office, body: bytes, code: str
) -> None:
    certificate = office.certificate()
    for key in (None, "một khóa"):
        headers = {"Idempotency-Key": "một-khóa".encode().hex()} if key else {}
        answer = office.call(
            "POST",
            "/sign",
            content=body,
            params={"certificate_id": certificate["id"]},
            headers={"Content-Type": "application/pdf", **headers},
        )
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert stored(office) == (0, 0, [])
    if body:
        assert office.verify(body)["indication"] in {"NOT_A_PDF", "NO_SIGNATURE"}
    else:
        headers = {"Content-Type": "application/pdf"}
        answer = office.call("POST", "/verify", content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({}, 422, "parameter_invalid"),
        ({"certificate_id": "00000000-0000-7000-8000-000000000000"}, 404, "certificate_not_found"),
        ({"certificate_id": "x"}, 404, "certificate_not_found"),
        ({"level": "B-Z"}, 422, "parameter_invalid"),
        ({"page": "0"}, 422, "placement_invalid"),
        ({"page": "7", "stamp": "standard"}, 422, "placement_invalid"),
        ({"box": "1,2,3"}, 422, "parameter_invalid"),
        ({"box": "a,b,c,d"}, 422, "parameter_invalid"),
        ({"stamp": "unheard-of"}, 422, "stamp_unreadable"),
        ({"stamp": '{"image": "%%%"}'}, 422, "parameter_invalid"),
        ({"stamp": '{"image": "AAAA"}'}, 422, "stamp_unreadable"),
        ({"stamp": '{"preset"'}, 422, "parameter_invalid"),
        ({"certify": "9"}, 422, "parameter_invalid"),
        ({"colour": "red"}, 422, "parameter_invalid"),
    ],
)
def test_bad_options_are_a_problem_and_nothing_is_kept(
    office: Office, options: dict[str, Any], status: int, code: str
) -> None:
    asked = {"certificate_id": office.certificate()["id"]} if options else {}
    answer = office.sign(PDF, **{**asked, **options})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert stored(office) == (0, 0, [])


def test_an_upload_beyond_the_limit_stops_there_in_every_shape(office: Office) -> None:
    certificate = office.certificate()
    large = PDF + b"%" * UPLOAD_LIMIT

    def pieces() -> object:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    asked = {"certificate_id": certificate["id"]}
    raw = {"Content-Type": "application/pdf"}
    answers = [
        office.call("POST", "/sign", params=asked, content=large, headers=raw),
        office.call("POST", "/sign", params=asked, content=pieces(), headers=raw),
        office.call("POST", "/sign", files={"file": ("a.pdf", large)}, data=asked),
        office.call("POST", "/verify", content=pieces(), headers=raw),
        office.call("POST", "/verify", files={"file": ("a.pdf", large)}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert str(UPLOAD_LIMIT) in answer.json()["detail"]
    assert stored(office) == (0, 0, [])


def multipart(*parts: bytes, end: bytes = b"--x--\r\n") -> Json:
    body = b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


FILE = b'Content-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + PDF


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"files": {"document": ("a.pdf", PDF)}}, 422, "body_missing"),
        ({"content": PDF, "headers": {"Content-Type": "text/plain"}}, 415, "body_type_unsupported"),
        (multipart(FILE, FILE), 422, "parameter_invalid"),
        (multipart(FILE, end=b""), 422, "parameter_invalid"),
        (multipart(b"Content-Disposition: form-data\r\n\r\nx"), 422, "parameter_invalid"),
        (multipart(b"X-Long: " + b"x" * 20_000 + b"\r\n\r\nx"), 422, "parameter_invalid"),
        (
            multipart(*[b'Content-Disposition: form-data; name="a"\r\n\r\nx'] * 2),
            422,
            "parameter_invalid",
        ),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            422,
            "parameter_invalid",
        ),
        (
            multipart(FILE, b'Content-Disposition: form-data; name="options"\r\n\r\n{"at":'),
            422,
            "parameter_invalid",
        ),
        (
            multipart(FILE, b'Content-Disposition: form-data; name="options"\r\n\r\n[]'),
            422,
            "parameter_invalid",
        ),
    ],
)
def test_a_malformed_upload_is_a_problem(
    office: Office, body: Json, status: int, code: str
) -> None:
    answer = office.call("POST", "/verify", **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_a_revoked_certificate_signs_no_more_and_its_signatures_are_judged_by_time(
    office: Office,
) -> None:
    certificate = office.certificate()
    claimed, proven = (
        office.sign(PDF, certificate_id=certificate["id"], level=level).content
        for level in ("B-B", "B-T")
    )
    office.made(f"/certificates/{certificate['id']}/revoke", {"reason": "superseded"})
    refused = office.sign(PDF, certificate_id=certificate["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "certificate_not_usable")
    late = office.verify(claimed)["signatures"][0]
    assert (late["indication"], late["sub_indication"]) == ("INDETERMINATE", "REVOKED_NO_POE")
    assert late["revocation"]["status"] == "REVOKED"
    assert office.verify(proven)["indication"] == "TOTAL_PASSED"


def test_a_report_is_kept_when_asked_and_the_document_never(office: Office) -> None:
    answer = office.call(
        "POST",
        "/verify",
        files={"file": ("a.pdf", PDF)},
        data={"options": json.dumps({"store": True, "at": "2026-01-31T08:00:00+07:00"})},
    )
    assert answer.json()["validation_time"].startswith("2026-01-31T01:00:00")
    with office.wiring.engine.connect() as connection:
        kept = connection.execute(text("SELECT indication, document_sha256 FROM verifications"))
        ((indication, digest),) = kept.all()
    assert indication == "NO_SIGNATURE"
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert stored(office)[2] == []


def test_other_anchors_may_be_trusted_for_one_question(office: Office) -> None:
    certificate = office.certificate()
    signed = office.sign(PDF, certificate_id=certificate["id"]).content
    other = {"options": json.dumps({"trust": certificate["pem"]})}
    answer = office.call("POST", "/verify", files={"file": ("a.pdf", signed)}, data=other)
    assert answer.status_code == 200
    bad = {"options": json.dumps({"trust": "-----BEGIN CERTIFICATE-----"})}
    answer = office.call("POST", "/verify", files={"file": ("a.pdf", signed)}, data=bad)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")


def test_on_request_the_full_verifier_looks_before_the_document_is_handed_out(
    office: Office,
) -> None:
    certificate = office.certificate()
    for level in ("B-B", "B-LTA"):
        options = {"certificate_id": certificate["id"], "level": level, "check_output": True}
        answer = office.sign(empty_pdf(), key=f"k-{level}", **options)
        assert answer.status_code == 200, answer.text
        again = office.sign(empty_pdf(), key=f"k-{level}", **options)
        assert again.content == answer.content
        path = office.wiring.desk.documents.path(UUID(answer.headers["X-Sign-Request-Id"]))
        path.write_bytes(path.read_bytes().replace(b"/MediaBox[0 0 595", b"/MediaBox[0 0 596", 1))
        refused = office.sign(empty_pdf(), key=f"k-{level}", **options)
        assert (refused.status_code, refused.json()["code"]) == (500, "output_refused")


def test_a_commitment_and_a_policy_are_stated_over_rest(office: Office) -> None:
    certificate = office.certificate()["id"]
    policy = {"identifier": "1.3.6.1.4.1.99999.1", "digest": "ab" * 32, "uri": "urn:quy-che"}
    wanted = {"certificate_id": certificate, "level": "B-B", "commitment": "proof-of-approval"}
    signed = office.sign(empty_pdf(), policy=json.dumps(policy), **wanted)
    assert signed.status_code == 200, signed.text
    held = bytes.fromhex("060b2a864886f70d0109100210").hex()  # commitment-type-indication
    assert held.encode() in signed.content
    assert b"urn:quy-che".hex().encode() in signed.content
    assert office.verify(signed.content)["signatures"][0]["integrity"]["signature_match"]
    for wrong, code in (
        ({"reason": "Phê duyệt"}, "statement_invalid"),
        ({"policy": json.dumps({**policy, "digest": "ab"})}, "statement_invalid"),
        ({"policy": json.dumps({**policy, "digest": "không"})}, "parameter_invalid"),
        ({"commitment": "promise"}, "parameter_invalid"),
    ):
        refused = office.sign(empty_pdf(), **{**wanted, **wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
