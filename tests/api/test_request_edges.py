"""What a caller gets wrong at the edges is told, and never taken for something else."""

import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from tests.api.office import ADMINISTRATOR, Office, empty_pdf

ID = "00000000-0000-7000-8000-000000000000"
PDF = {"Content-Type": "application/pdf"}


def lists() -> list[str]:
    """List every GET without an id in its path."""
    routes = [r for router in ROUTERS for r in router.routes if isinstance(r, APIRoute)]
    return [r.path for r in routes if "GET" in (r.methods or ()) and "{" not in r.path]


def test_a_misspelt_filter_is_refused_by_every_list(office: Office) -> None:
    paths = lists()
    assert len(paths) > 20
    for path in paths:
        answer = office.call("GET", path, params={"organisaton": "x"})
        assert (answer.status_code, answer.json()["code"]) == (422, "parameter_unknown"), path
        assert "organisaton" in answer.json()["detail"]
    told = office.call(
        "GET", "/certificates", params={"expires_befor": "x"}, headers={"Accept-Language": "vi"}
    ).json()
    assert "“expires_befor”" in told["detail"]
    assert "expires_before" in told["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/certificates/{ID}"),
        ("POST", f"/certificates/{ID}/suspend"),
        ("POST", f"/certificate-requests/{ID}/approve"),
        ("POST", f"/sign/{ID}/signature"),
        ("DELETE", f"/webhooks/{ID}"),
        ("PUT", "/stamp-templates/x"),
    ],
)
def test_a_parameter_that_a_call_does_not_have_is_refused(
    office: Office, method: str, path: str
) -> None:
    answer = office.call(method, path, params={"dry_run": "true"})
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_unknown")


def test_who_is_unknown_learns_nothing_about_parameters(office: Office) -> None:
    answer = office.http.get("/api/v1/certificates?nothing=1")
    assert answer.status_code == 401


def test_a_parameter_given_twice_is_refused_where_one_is_meant(office: Office) -> None:
    twice = office.call("GET", "/certificates?limit=1&limit=2")
    assert (twice.status_code, twice.json()["code"]) == (422, "parameter_invalid")
    assert "limit" in twice.json()["detail"]
    several = office.call("GET", "/certificate-requests?state=received&state=issued")
    assert several.status_code == 200
    pdf = office.call("POST", "/verify?at=2026-01-01&at=2025-01-01", content=b"%PDF", headers=PDF)
    assert pdf.json()["code"] == "parameter_invalid"


def test_options_may_stand_beside_a_form_but_not_in_both_places(office: Office) -> None:
    certificate = office.certificate()["id"]
    form = {"file": ("a.pdf", empty_pdf())}
    beside = {"certificate_id": certificate, "level": "B-B"}
    assert office.call("POST", "/sign", files=form, params=beside).status_code == 200
    both = office.call("POST", "/sign", files=form, data={"level": "B-T"}, params=beside)
    assert (both.status_code, both.json()["code"]) == (422, "parameter_invalid")
    assert "level" in both.json()["detail"]
    unknown = office.call("POST", "/verify", files=form, params={"stor": "true"})
    assert (unknown.status_code, "stor" in unknown.json()["detail"]) == (422, True)
    upload = office.call("POST", "/uploads", content=b"x", headers=PDF, params={"level": "B-B"})
    assert upload.json()["code"] == "parameter_unknown"
    named = office.call(
        "POST", "/uploads", content=b"x", headers=PDF, params={"file_name": "a.pdf"}
    )
    assert named.json()["file_name"] == "a.pdf"


@pytest.mark.parametrize("path", ["/verify", "/edoc/verify", "/sign", "/extend", "/uploads"])
def test_no_document_is_no_verdict_but_a_problem(office: Office, path: str) -> None:
    for headers in ({}, PDF):
        answer = office.call("POST", path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "body_missing"), answer.text
    without = office.call("POST", path, files={"options": (None, "{}")})
    assert (without.status_code, without.json()["code"]) == (422, "body_missing")


def test_an_empty_file_that_was_sent_as_one_gets_its_verdict(office: Office) -> None:
    answer = office.call("POST", "/verify", files={"file": ("a.pdf", b"")})
    assert (answer.status_code, answer.json()["indication"]) == (200, "NOT_A_PDF")


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/tsa", 405, "POST"),
        ("PUT", "/ocsp", 405, "GET, HEAD, POST"),
        ("POST", "/pki/issuing.crl", 405, "GET, HEAD"),
        ("GET", "/pki/nothing.crl", 404, None),
        ("GET", "/pki/../secrets", 404, None),
        ("GET", "/pki/issuing.txt", 404, None),
    ],
)
def test_public_addresses_tell_their_problems_like_all_others(
    office: Office, method: str, path: str, status: int, allowed: str | None
) -> None:
    headers = {"Accept-Language": "vi"}
    answer = office.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "vi"
    assert answer.headers.get("allow") == allowed
    assert answer.json()["what_to_do"]


def test_pages_and_health_take_whatever_a_browser_or_a_probe_adds(office: Office) -> None:
    for path in ("/?utm=1", "/healthz?t=1", "/openapi.json?v=2"):
        assert office.http.get(path).status_code == 200
    token = {"Authorization": f"Bearer {ADMINISTRATOR}"}
    assert office.http.get("/api/v1/trust-anchors?t=1", headers=token).status_code == 422


def test_a_short_list_comes_in_pages_like_a_long_one(office: Office) -> None:
    unit = office.organization()["id"]
    for number in range(3):
        target = f"http://127.0.0.1:9/{number}"
        body = {"organization_id": unit, "kind": "webhook", "target": target}
        office.made("/notice-channels", body)
    whole = office.call("GET", "/notice-channels").json()
    assert (len(whole["items"]), whole["next_cursor"]) == (3, None)
    first = office.call("GET", "/notice-channels", params={"limit": 2}).json()
    rest = office.call("GET", "/notice-channels", params={"cursor": first["next_cursor"]}).json()
    assert first["items"] + rest["items"] == whole["items"]
    assert (len(first["items"]), rest["next_cursor"]) == (2, None)
    strange = office.call("GET", "/notice-channels", params={"cursor": "eA"})
    assert (strange.status_code, "cursor" in strange.json()["detail"]) == (422, True)
    for path in ("/trust-anchors", "/trust-anchors/lists", "/issuers"):
        assert office.call("GET", path, params={"limit": 1}).status_code == 200
