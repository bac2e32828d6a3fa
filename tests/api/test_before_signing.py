"""Asked before anything is signed: what would happen, why not, and what it will look like."""

import base64
import io
import json
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image, ImageChops
from sqlalchemy import text

from tests.api.office import Json, Office, csr_pem, empty_pdf
from tests.pdf.signing_kit import assemble
from tests.pdf.test_stamps import seal

PDF = empty_pdf()


def asked(office: Office, pdf: bytes, **options: object) -> Json:
    answer = office.call(
        "POST",
        "/sign/preflight",
        files={"file": ("a.pdf", pdf)},
        data={"options": json.dumps(options)},
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def codes(found: Json, kind: str = "problems") -> list[str]:
    return [each["code"] for each in found[kind]]


def test_a_document_that_would_be_signed_is_told_where_and_nothing_is_kept(office: Office) -> None:
    certificate = office.certificate()
    found = asked(office, PDF, certificate_id=certificate["id"], stamp="standard")
    assert found["would_sign"], found["problems"]
    assert found["problems"] == []
    assert found["certificate"]["status"] == "active"
    assert found["certificate"]["issuer"]
    assert found["key"] == {"with": "server", "reachable": True}
    assert found["level"] == "B-T"
    assert found["document"]["pages"] == 1
    assert found["place"]["page"] == 1
    with office.wiring.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM sign_requests")) == 0
    assert list((office.wiring.settings.home / "spool").iterdir()) == []


def test_every_reason_is_given_at_once_in_both_languages(office: Office) -> None:
    certificate = office.certificate()
    office.made(f"/certificates/{certificate['id']}/revoke", {"reason": "superseded"})
    found = asked(
        office, PDF, certificate_id=certificate["id"], stamp="standard", box=[1, 1, 9999, 50]
    )
    assert not found["would_sign"]
    assert codes(found) == ["certificate_not_usable", "placement_invalid"]
    for problem in found["problems"]:
        assert problem["vi"]
        assert problem["en"]
        assert problem["what_to_do_vi"] != problem["what_to_do_en"]


def test_a_key_out_of_reach_is_said_beforehand(office: Office) -> None:
    certificate = office.certificate()
    home = office.wiring.settings.home
    for folder in ("keys", "softhsm"):
        if (home / folder).exists():
            shutil.move(home / folder, home / f"{folder}.away")
    office.wiring.keys.close()
    found = asked(office, PDF, certificate_id=certificate["id"])
    if found["would_sign"]:
        pytest.skip("the token keeps its keys in memory")
    assert found["key"]["reachable"] is False


def test_a_holders_key_is_with_its_holder(office: Office) -> None:
    certificate = office.certificate(csr=csr_pem(ec.generate_private_key(ec.SECP256R1())))
    found = asked(office, PDF, certificate_id=certificate["id"])
    assert found["would_sign"]
    assert found["key"] == {"with": "holder", "reachable": None}


@pytest.mark.parametrize(
    ("catalog", "code"),
    [
        ("/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>", "JAVASCRIPT"),
        ("/OpenAction<</S/Launch/F(calc.exe)>>", "LAUNCH_ACTION"),
        ("/Names<</JavaScript<</Names[]>>>>", "JAVASCRIPT"),
        ("/AA<</WC<</S/SubmitForm/F(http://a)>>>>", "SUBMIT_ACTION"),
        ("/AcroForm<</Fields[]/XFA(x)>>", "XFA_FORM"),
        ("/Collection<<>>", "PORTFOLIO"),
    ],
)
def test_content_that_acts_by_itself_is_named(office: Office, catalog: str, code: str) -> None:
    pdf = assemble(
        [
            f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 300]>>",
        ]
    )
    found = asked(office, pdf, certificate_id=office.certificate()["id"])
    assert code in codes(found, "findings")
    assert all(each["vi"] and each["en"] for each in found["findings"])


@pytest.mark.parametrize(
    ("body", "code"), [(b"GIF89a", "not_a_pdf"), (PDF[:300], "damaged_pdf")], ids=["gif", "half"]
)
def test_what_is_no_document_is_a_reason_and_not_an_error(
    office: Office, body: bytes, code: str
) -> None:
    found = asked(office, body, certificate_id=office.certificate()["id"])
    assert codes(found) == [code]
    assert not found["would_sign"]


def test_a_seal_before_anybody_has_signed_is_refused_with_its_reason(office: Office) -> None:
    unit = office.organization(name="Ủy ban nhân dân tỉnh Bình Phước")
    agency = office.made(
        "/subscribers",
        {"organization_id": unit["id"], "kind": "organization", "full_name": unit["name"]},
    )
    request = office.made(
        "/certificate-requests",
        {"subscriber_id": agency["id"], "profile": "organizational", "key_algorithm": "p-256"},
    )
    path = f"/certificate-requests/{request['id']}/approve"
    certificate = office.made(path, {}, token=office.second())["certificate"]
    stamp = {"preset": "nd30.agency", "image": base64.b64encode(seal()).decode()}
    wish: Json = {"certificate_id": certificate["id"], "stamp": stamp, "level": "B-B"}
    assert codes(asked(office, PDF, **wish)) == ["personal_signature_missing"]
    files = {"file": ("a.pdf", PDF)}
    refused = office.call("POST", "/sign", files=files, data={"options": json.dumps(wish)})
    assert (refused.status_code, refused.json()["code"]) == (422, "personal_signature_missing")
    assert asked(office, PDF, **wish, agency_copy=True)["would_sign"]
    personal = office.sign(PDF, certificate_id=office.certificate()["id"], level="B-B").content
    assert asked(office, personal, **wish)["would_sign"]


def test_a_preview_is_the_page_with_the_stamp(office: Office) -> None:
    certificate = office.certificate()
    answer = office.call(
        "POST",
        "/sign/preview",
        content=empty_pdf(pages=2),
        params={"certificate_id": certificate["id"], "stamp": "standard", "dpi": "72"},
        headers={"Content-Type": "application/pdf"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    assert (answer.headers["x-page"], answer.headers["x-pages"]) == ("2", "2")
    picture = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert picture.size == (595, 842)
    left, bottom, right, top = (float(side) for side in answer.headers["x-box"].split(","))
    inked = ImageChops.invert(picture).getbbox()
    assert inked is not None
    assert left - 1 <= inked[0] < inked[2] <= right + 1
    assert 842 - top - 1 <= inked[1] < inked[3] <= 842 - bottom + 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "placement_invalid"),
        ({"stamp": "standard", "dpi": "0"}, "parameter_invalid"),
        ({"stamp": "standard", "anchor": "Nguyễn Văn Không"}, "anchor_not_found"),
        ({"stamp": "standard", "anchor": "{name}"}, "anchor_not_found"),
        ({"stamp": "standard", "anchor": '{"text": 1}'}, "parameter_invalid"),
        ({"stamp": "standard", "corner": "top-left", "box": "1,2,30,40"}, "parameter_invalid"),
        ({"stamp": '{"template": {"name": "x", "lines": ["{gì}"]}}'}, "template_invalid"),
    ],
)
def test_a_preview_that_cannot_be_drawn_says_why(office: Office, options: Json, code: str) -> None:
    answer = office.call(
        "POST",
        "/sign/preview",
        content=PDF,
        params={"certificate_id": office.certificate()["id"], **options},
        headers={"Content-Type": "application/pdf"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text


def test_presets_are_listed_with_their_source(office: Office) -> None:
    found = {each["name"]: each for each in office.call("GET", "/sign/presets").json()}
    assert {"nd30.personal", "nd30.agency", "nd30.attachment", "nd30.copy", "incoming"} <= set(
        found
    )
    assert found["nd30.copy"]["words"] == ["form"]
    assert all(each["source"] and each["in_force_from"] for each in found.values())
