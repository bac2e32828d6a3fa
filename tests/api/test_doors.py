"""Who may come in: deny by default, tokens with roles for parts of the tree, sane requests only."""

import re
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from api.app import ROUTERS
from api.middleware import takes_file
from api.models import Role
from api.permissions import ALLOWED, Action
from tests.api.office import ADMINISTRATOR, Office, empty_pdf

ID = "00000000-0000-7000-8000-000000000000"


def calls(office: Office) -> list[tuple[str, str]]:
    document = office.http.get("/openapi.json").json()
    return [
        (method.upper(), re.sub(r"\{[^}]+\}", ID, path))
        for path, item in document["paths"].items()
        for method in item
        if path.startswith("/api/")
    ]


def needed(route: APIRoute) -> set[Action]:
    return {
        found.call.__dict__["action"]
        for found in route.dependant.dependencies
        if found.call is not None and "action" in found.call.__dict__
    }


def test_every_call_declares_the_one_action_it_needs() -> None:
    routes = [r for router in ROUTERS for r in router.routes if isinstance(r, APIRoute)]
    assert len(routes) > 30
    assert [route.path for route in routes if len(needed(route)) != 1] == []


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Basic YTpi", "Bearer wrong", f"Bearer {'x' * 600}"],
)
def test_without_a_token_in_force_every_call_is_refused(
    office: Office, authorization: str | None
) -> None:
    headers = {"Authorization": authorization} if authorization is not None else {}
    found = calls(office)
    assert len(found) > 30
    for method, path in found:
        answer = office.http.request(method, path, headers=headers)
        assert answer.status_code == 401, (method, path, answer.text)
        assert answer.json()["code"] == "unauthenticated"
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_role_without_the_action_is_refused_before_the_body_is_read(office: Office) -> None:
    auditor = office.token((Role.AUDITOR, None))
    answer = office.sign(b"x" * 1_000_000, token=auditor)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_a_revoked_or_expired_token_opens_nothing_at_once(office: Office) -> None:
    made = office.made("/api-tokens", {"name": "tạm", "roles": [{"role": "verifier"}]})
    assert office.call("GET", "/trust-anchors", token=made["token"]).status_code == 200
    office.call("DELETE", f"/api-tokens/{made['id']}")
    assert office.call("GET", "/trust-anchors", token=made["token"]).status_code == 401
    past = {"name": "cũ", "roles": [{"role": "verifier"}], "expires_at": "2020-01-01T00:00:00Z"}
    assert office.call("POST", "/api-tokens", json=past).json()["code"] == "parameter_invalid"


def test_a_token_is_shown_once_and_stored_as_its_hash(office: Office) -> None:
    made = office.made("/api-tokens", {"name": "một lần", "roles": [{"role": "verifier"}]})
    listed = office.call("GET", "/api-tokens")
    assert made["token"] not in listed.text
    assert made["id"] in listed.text
    with office.wiring.engine.connect() as connection:
        stored = connection.exec_driver_sql("SELECT * FROM api_tokens").all()
    assert made["token"] not in str(stored)


def test_a_role_for_a_subtree_ends_at_its_edge(office: Office) -> None:
    province = office.organization(name="UBND tỉnh")
    inside = office.organization(parent=province["id"], name="Sở Y tế")
    below = office.organization(parent=inside["id"], name="Bệnh viện")
    outside = office.organization(parent=province["id"], name="Sở Tư pháp")
    registrar = office.token((Role.REGISTRAR, inside["id"]))

    def add(organization_id: str) -> int:
        body = {"organization_id": organization_id, "full_name": "Lê Thị Ánh"}
        return int(office.call("POST", "/subscribers", token=registrar, json=body).status_code)

    assert [add(unit["id"]) for unit in (inside, below)] == [201, 201]
    assert [add(unit["id"]) for unit in (outside, province)] == [403, 403]
    listed = office.call("GET", "/subscribers", token=registrar).json()["items"]
    assert {item["organization_id"] for item in listed} == {inside["id"], below["id"]}
    assert office.call("GET", "/audit", token=registrar).status_code == 403
    under = {"under": province["id"]}
    assert office.call("GET", "/subscribers", token=registrar, params=under).status_code == 403


def test_an_administrator_of_a_subtree_gives_no_role_beyond_it(office: Office) -> None:
    unit, other = office.organization(), office.organization()
    local = office.token((Role.ADMINISTRATOR, unit["id"]))

    def give(where: str | None) -> int:
        role = {"role": "signer", "organization_id": where}
        body = {"name": "mới", "roles": [role]}
        return int(office.call("POST", "/api-tokens", token=local, json=body).status_code)

    assert [give(unit["id"]), give(other["id"]), give(None)] == [201, 403, 403]
    assert office.call("GET", "/api-tokens", token=local).status_code == 403


def test_a_role_for_an_organisation_that_does_not_exist_is_not_given(office: Office) -> None:
    body = {"name": "x", "roles": [{"role": "signer", "organization_id": ID}]}
    answer = office.call("POST", "/api-tokens", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "organization_not_found")


def test_signing_is_allowed_only_with_certificates_of_the_signers_unit(office: Office) -> None:
    unit, other = office.organization(), office.organization()
    mine, theirs = office.certificate(organization=unit), office.certificate(organization=other)
    signer = office.token((Role.SIGNER, unit["id"]))
    good = office.sign(empty_pdf(), token=signer, certificate_id=mine["id"])
    assert good.status_code == 200
    refused = office.sign(empty_pdf(), token=signer, certificate_id=theirs["id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_every_action_belongs_to_somebody_and_only_administrators_have_all() -> None:
    assert ALLOWED[Role.ADMINISTRATOR] == frozenset(Action)
    assert set(ALLOWED) == set(Role)
    assert all(ALLOWED[role] < frozenset(Action) for role in Role if role != "administrator")
    assert Role.SIGNER not in {r for r, allowed in ALLOWED.items() if Action.AUDIT_READ in allowed}


def test_answers_carry_the_security_headers_and_load_nothing_from_elsewhere(
    office: Office,
) -> None:
    for path in ("/", "/?lang=en", "/docs", "/healthz", "/nowhere", "/pki/root.crl"):
        answer = office.http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        if "html" in answer.headers["content-type"]:
            assert not re.search(r"(src|href)=.(https?:)?//", answer.text)
            assert "<script" not in answer.text


def test_docs_list_every_call_and_openapi_is_3_1(office: Office) -> None:
    document = office.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    page = office.http.get("/docs").text
    assert all(path in page for path in document["paths"])
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if path.startswith("/api/"):
                assert {"401", "403"} <= set(operation["responses"]), (method, path)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "path_unknown"),
        ("PUT", "/api/v1/certificates", 405, "method_not_allowed"),
        ("GET", "/" + "a" * 9000, 422, "parameter_invalid"),
        ("GET", "/api/v1/certificates?name=%00", 422, "parameter_invalid"),
        ("GET", "/api/v1/certificates?limit=0", 422, "parameter_invalid"),
        ("GET", "/api/v1/certificates?limit=many", 422, "parameter_invalid"),
        ("GET", "/api/v1/certificates?expires_before=yesterday", 422, "parameter_invalid"),
        ("GET", "/api/v1/organizations/not-an-id", 422, "parameter_invalid"),
    ],
)
def test_a_senseless_request_is_a_problem(
    office: Office, method: str, path: str, status: int, code: str
) -> None:
    headers = {"Authorization": f"Bearer {ADMINISTRATOR}", "Accept-Language": "vi"}
    answer = office.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-language"] == "vi"
    if status == 405:
        assert "GET" in answer.headers["allow"]


def test_a_json_body_beyond_the_limit_is_not_read_to_its_end(office: Office) -> None:
    answer = office.call("POST", "/organizations", json={"code": "x", "name": "x" * 2_000_000})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    def endless() -> object:
        for _ in range(40):
            yield b"x" * 65536

    answer = office.call("POST", "/organizations", content=endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_only_calls_that_take_a_file_take_more_than_a_small_body() -> None:
    routes = [r for router in ROUTERS for r in router.routes if isinstance(r, APIRoute)]
    found = {route.path: takes_file(f"/api/v1{route.path}") for route in routes}
    receiving = {
        route.path
        for route in routes
        if any(
            d.call and d.call.__name__.startswith("uploaded") for d in route.dependant.dependencies
        )
    }
    assert {path for path, takes in found.items() if takes} == receiving
    assert len(receiving) == 12


def test_a_document_beyond_the_small_body_reaches_every_call_that_takes_one(
    office: Office,
) -> None:
    office.wiring.settings = replace(office.wiring.settings, max_upload_bytes=4_000_000)
    large = empty_pdf() + b"%" * 2_000_000
    headers = {"Content-Type": "application/pdf"}
    sent = office.call("POST", "/uploads", content=large, headers=headers)
    assert (sent.status_code, sent.json()["size"]) == (201, len(large))
    extended = office.call("POST", "/extend", content=large, headers=headers)
    assert extended.json()["code"] != "body_too_large", extended.text
    signature = {"signature": "A" * 2_000_000}
    answer = office.call("POST", f"/sign/{ID}/signature", json=signature)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"code": 1}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_proper_json_is_a_problem(office: Office, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = office.call("POST", "/organizations", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "parameter_invalid")


def test_health_is_public_and_names_what_is_not_ready(office: Office) -> None:
    assert office.http.get("/healthz").json() == {"status": "ok", "parts": {}}
    ready = office.http.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]) == (200, {"database": "ok", "keys": "ok"})
    with office.wiring.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000_other'")
    unready = office.http.get("/readyz")
    assert unready.status_code == 503
    assert unready.json()["parts"]["database"] == "the tables are at another revision"
