"""The OpenAPI document tells of every call what it does, what it takes and how it refuses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from api.app import ROUTERS, framework
from api.middleware import takes_file
from api.openapi import operations
from api.openapi_public import PATHS
from api.problem_words import MEDIA_TYPE
from api.schemas.extend import ExtendOptionsIn
from api.schemas.imports import ImportOptionsIn
from api.schemas.sign import SignOptionsIn, SignRequestOut
from api.schemas.verify import VerifyOptionsIn
from tests.api.office import Office, empty_pdf

if TYPE_CHECKING:
    from api.wiring import Wiring

UNREFUSED = {"/healthz", "/metrics"}
"""Calls that take nothing and need no login."""
KEYED = {
    "POST /api/v1/sign",
    "POST /api/v1/sign/batches",
    "POST /api/v1/extend",
    "POST /api/v1/certificate-requests",
    "POST /api/v1/certificate-requests/approve",
    "POST /api/v1/certificate-requests/import",
    "POST /api/v1/certificate-requests/{request_id}/approve",
    "POST /api/v1/certificates/import",
    "POST /api/v1/certificates/{certificate_id}/renew",
    "POST /api/v1/certificates/{certificate_id}/restore",
    "POST /api/v1/certificates/{certificate_id}/revoke",
    "POST /api/v1/certificates/{certificate_id}/suspend",
    "POST /api/v1/incidents",
}
OPTIONS = {
    "POST /api/v1/sign": SignOptionsIn,
    "POST /api/v1/verify": VerifyOptionsIn,
    "POST /api/v1/extend": ExtendOptionsIn,
    "POST /api/v1/certificates/import": ImportOptionsIn,
}
MAIN = {
    *OPTIONS,
    "POST /api/v1/uploads",
    "POST /api/v1/sign/batches",
    "POST /api/v1/organizations",
    "POST /api/v1/subscribers",
    "POST /api/v1/certificate-requests",
    "POST /api/v1/certificate-requests/import",
    "POST /api/v1/certificate-requests/{request_id}/approve",
    "POST /api/v1/certificates/{certificate_id}/revoke",
    "GET /api/v1/certificates",
    "GET /api/v1/reports/certificates",
    "POST /api/v1/api-tokens",
    "POST /api/v1/webhooks",
}
Node = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Node:
    """The document of an application that is never asked anything else."""
    return framework(cast("Wiring", None)).openapi()


def each(document: Node) -> Iterator[tuple[str, str, Node]]:
    for path, method, operation in operations(document):
        yield f"{method.upper()} {path}", path, operation


def test_every_call_says_in_a_sentence_what_it_does(document: Node) -> None:
    found = list(each(document))
    assert len(found) > 110
    for call, path, operation in found:
        assert 10 < len(operation["summary"]) <= 110, call
        assert " " in operation["summary"].strip(), call
        assert operation["description"].startswith(operation["summary"][:10]), call
        assert operation["tags"], path
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(ids) == len(set(ids))


def test_every_parameter_is_described(document: Node) -> None:
    bare = [
        (call, parameter["name"])
        for call, _, operation in each(document)
        for parameter in operation.get("parameters", [])
        if not parameter.get("description")
    ]
    assert bare == []


def test_every_call_says_how_it_refuses(document: Node) -> None:
    for call, path, operation in each(document):
        refusals = {s: a for s, a in operation["responses"].items() if s >= "400"}
        assert bool(refusals) == (path not in UNREFUSED), call
        if not path.startswith("/api/"):
            continue
        assert {"401", "403", "422"} <= set(refusals), call
        for status, answer in refusals.items():
            assert answer["description"], (call, status)
            problem = answer["content"][MEDIA_TYPE]["schema"]
            assert set(problem["required"]) <= set(problem["example"]), (call, status)
        if takes_file(path) and call.startswith("POST"):
            assert {"413", "415", "507"} <= set(refusals), call


def test_an_idempotency_key_is_offered_only_where_it_means_something(document: Node) -> None:
    offered = {
        call
        for call, _, operation in each(document)
        if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", []))
    }
    assert offered == KEYED


def test_every_call_that_takes_a_body_says_which(document: Node) -> None:
    for call, path, operation in each(document):
        if takes_file(path) and call.startswith("POST"):
            assert operation["requestBody"]["content"], call


def shown(document: Node, call: str) -> tuple[Node, dict[str, Node]]:
    """Return the examples of a call: of its bodies, and of its answers by status."""
    method, path = call.split(" ")
    operation = document["paths"][path][method.lower()]
    body = operation.get("requestBody", {}).get("content", {})
    asked = {kind: one["example"] for kind, one in body.items() if "example" in one}
    answers = {
        status: answer["content"]["application/json"]["example"]
        for status, answer in operation["responses"].items()
        if "example" in answer.get("content", {}).get("application/json", {})
    }
    return asked, answers


def test_main_calls_have_examples_that_their_schemas_take(document: Node) -> None:
    routes = {
        f"{method} /api/v1{route.path}": route
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    for call in MAIN:
        asked, answers = shown(document, call)
        assert asked or answers, call
        route = routes[call]
        if "application/json" in asked and route.body_field is not None:
            annotation: Any = route.body_field.field_info.annotation
            TypeAdapter(annotation).validate_python(asked["application/json"])
        if call in OPTIONS:
            OPTIONS[call].parse(asked["multipart/form-data"]["options"])
        for status, example in answers.items():
            model: Any = SignRequestOut if status == "202" else route.response_model
            if model is not None:
                TypeAdapter(model).validate_python(example)


def test_public_calls_answer_as_they_are_documented(office: Office) -> None:
    asked = {"authority": "issuing", "request": "MAA=", "shard": "1"}
    for path, item in PATHS.items():
        for method, operation in item.items():
            address = path.format_map(asked)
            answer = office.http.request(method.upper(), address, content=b"0")
            told = operation["responses"].get(str(answer.status_code))
            assert told is not None, (path, answer.status_code)
            kind = answer.headers["content-type"]
            assert kind in told["content"], (path, kind)
    documented = office.http.get("/openapi.json").json()["paths"]
    assert set(PATHS) <= set(documented)


def test_the_example_of_a_report_has_the_shape_of_one(office: Office, document: Node) -> None:
    certificate = office.certificate()["id"]
    signed = office.sign(empty_pdf(), certificate_id=certificate, level="B-T").content
    _, answers = shown(document, "POST /api/v1/verify")
    report, example = office.verify(signed), answers["200"]
    assert set(example) == set(report)
    assert set(example["signatures"][0]) == set(report["signatures"][0])
