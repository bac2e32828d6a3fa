"""SOAP answers from strangers: each hostile body ends in one clear error, quickly."""

import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.simulator.app import SOAP_PATH
from hsm.provider_http import MAX_ANSWER
from hsm.providers import Prompt
from hsm.refusals import ProviderUnreachable, Refusal, SignatureRefused
from hsm.soap import MAX_DEPTH, MAX_ENVELOPE, SoapInvalid, body_of
from tests.providers.conftest import World
from tests.providers.serving import served

SOAP = "http://www.w3.org/2003/05/soap-envelope"
MSS = "http://uri.etsi.org/TS102204/v1.1.2#"
ACCEPTED = '<m:AP_Info AP_TransID="{transaction}"/><m:Status><m:StatusCode Value="100"/></m:Status>'


def enveloped(body: str, *, namespace: str = SOAP, before: str = "") -> bytes:
    text = f'{before}<s:Envelope xmlns:s="{namespace}"><s:Body>{body}</s:Body></s:Envelope>'
    return text.encode()


def response(inner: str, *, namespace: str = MSS) -> bytes:
    return enveloped(
        f'<m:MSS_SignatureResp xmlns:m="{namespace}" MSSP_TransID="t">{inner}</m:MSS_SignatureResp>'
    )


BOMB = "".join(f'<!ENTITY {chr(98 + n)} "{(f"&{chr(97 + n)};") * 10}">' for n in range(9))
HOSTILE = {
    "entity-file": enveloped(
        "<x>&e;</x>", before='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    ),
    "entity-bomb": enveloped("<x>&j;</x>", before=f'<!DOCTYPE x [<!ENTITY a "ha">{BOMB}]>'),
    "external-dtd": enveloped("<x/>", before='<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'),
    "empty-dtd": enveloped("<x/>", before="<!DOCTYPE x>"),
    "processing-instruction": enveloped("<?php x?><x/>"),
    "not-xml": b"<html><body>502 Bad Gateway",
    "empty": b"",
    "nul": b"\x00" * 100,
    "wrong-envelope": enveloped("<x/>", namespace="urn:other"),
    "two-in-the-body": enveloped("<x/><y/>"),
    "nothing-in-the-body": enveloped(""),
    "deep": enveloped("<x>" * (MAX_DEPTH + 1) + "</x>" * (MAX_DEPTH + 1)),
    "very-deep": enveloped("<x>" * 20_000 + "</x>" * 20_000),
    "huge": enveloped("<x>" + "A" * MAX_ENVELOPE + "</x>"),
    "too-long-to-read": b"<" + b"A" * (MAX_ANSWER + 1),
    "wrong-namespace": response(ACCEPTED, namespace="urn:evil"),
    "unqualified-inside": enveloped(
        f'<m:MSS_SignatureResp xmlns:m="{MSS}"><AP_Info/><Status/></m:MSS_SignatureResp>'
    ),
    "two-statuses": response(
        '<m:AP_Info/><m:Status><m:StatusCode Value="100"/></m:Status>'
        '<m:Status><m:StatusCode Value="401"/></m:Status>'
    ),
    "another-transaction": response(ACCEPTED.format(transaction="somebody-else")),
    "signature-not-base64": response(
        "<m:AP_Info/><m:MSS_Signature><m:Base64Signature>***</m:Base64Signature>"
        '</m:MSS_Signature><m:Status><m:StatusCode Value="500"/></m:Status>'
    ),
    "status-is-no-number": response(
        '<m:AP_Info/><m:Status><m:StatusCode Value="1e9999999"/></m:Status>'
    ),
    "utf-16-claim": enveloped("<x/>", before='<?xml version="1.0" encoding="utf-16"?>'),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_is_one_clear_error(world: World, name: str) -> None:
    async def answer(request: Request) -> Response:
        await request.body()
        return Response(HOSTILE[name], media_type="application/soap+xml")

    routes = [Route("/{path:path}", answer, methods=["POST"])]
    with served(Starlette(routes=routes)) as base:
        world.base = base
        key = world.key("viettel", "+84912345678")
        began = time.perf_counter()
        with pytest.raises(SignatureRefused) as caught:
            key.start(b"document", Prompt(text="x"))
        assert time.perf_counter() - began < 5
        world.close()
    assert caught.value.refusal is Refusal.PROVIDER_ERROR
    assert not isinstance(caught.value, ProviderUnreachable)
    assert "passwd" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_nothing_outside_the_message_is_ever_read() -> None:
    with pytest.raises(SoapInvalid):
        body_of(HOSTILE["entity-file"])


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (401, {}, Refusal.UNAUTHORISED),
        (302, {"location": "http://127.0.0.1:9/"}, Refusal.PROVIDER_ERROR),
        (503, {}, Refusal.PROVIDER_ERROR),
        (200, {"content-encoding": "gzip"}, Refusal.PROVIDER_ERROR),
    ],
)
def test_what_http_says_is_understood_too(
    world: World, status: int, headers: dict[str, str], reason: Refusal
) -> None:
    async def answer(request: Request) -> Response:
        await request.body()
        return Response(b"x", status_code=status, headers=headers)

    with served(Starlette(routes=[Route("/{p:path}", answer, methods=["POST"])])) as base:
        world.base = base
        key = world.key("viettel", "+84912345678")
        with pytest.raises(SignatureRefused) as caught:
            key.start(b"document", Prompt(text="x"))
        world.close()
    assert caught.value.refusal is reason


def test_a_fault_that_quotes_our_password_is_not_repeated(world: World) -> None:
    async def answer(request: Request) -> Response:
        content = (await request.body()).decode()
        password = content.partition('AP_PWD="')[2].partition('"')[0]
        fault = (
            f'<s:Fault xmlns:s="{SOAP}"><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason>'
            f"<s:Text>wrong password {password}</s:Text></s:Reason></s:Fault>"
        )
        return Response(enveloped(fault), status_code=500)

    with served(Starlette(routes=[Route("/{p:path}", answer, methods=["POST"])])) as base:
        world.base = base
        key = world.key("viettel", "+84912345678")
        with pytest.raises(SignatureRefused) as caught:
            key.start(b"document", Prompt(text="x"))
        world.close()
    assert "mat-khau" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "another-transaction"])
def test_a_hostile_question_is_one_clear_fault_of_the_simulator(world: World, name: str) -> None:

    answer = httpx.post(world.base + SOAP_PATH, content=HOSTILE[name], timeout=60, trust_env=False)
    assert answer.status_code in {413, 500}
    assert b"passwd" not in answer.content
