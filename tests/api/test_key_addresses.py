"""Where a certificate's key is, told over REST: only places elsewhere, only secrets set aside."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api.models import Role
from tests.api.office import Office, csr_pem, empty_pdf


def certificate(office: Office) -> str:
    return str(office.certificate(csr=csr_pem(ec.generate_private_key(ec.SECP256R1())))["id"])


def put(office: Office, identifier: str, key: str | None, **more: str) -> tuple[int, str]:
    answer = office.call("PUT", f"/certificates/{identifier}/key", json={"key": key}, **more)  # type: ignore[misc]
    return answer.status_code, str(answer.json().get("code"))


def test_a_key_elsewhere_is_noted_and_is_not_on_the_server(office: Office) -> None:
    identifier = certificate(office)
    assert put(office, identifier, "sim:viettel/+84912345678")[0] == 200
    assert office.call("GET", f"/certificates/{identifier}").json()["key_on_server"] is False
    answer = office.sign(empty_pdf(), certificate_id=identifier, level="B-B")
    assert answer.json()["code"] == "provider_settings_invalid", "no provider is set up here"
    assert put(office, identifier, None)[0] == 200
    waiting = office.sign(empty_pdf(), certificate_id=identifier, level="B-B")
    assert waiting.status_code == 202
    assert waiting.json()["verification_code"] is None


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("soft:/etc/passwd", "key_uri_invalid"),
        ("pkcs11:serial=1;id=%01", "key_uri_invalid"),
        ("sim:", "key_uri_invalid"),
        ("csc:cloud/x?pin-source=file:/etc/shadow", "parameter_invalid"),
        ("csc:cloud/x?pin-source=env:HOME", "parameter_invalid"),
        ("csc:cloud/x?pin-source=home:secrets/keys", "parameter_invalid"),
        ("csc:cloud/x?pin-source=home:pins/../secrets/keys", "parameter_invalid"),
    ],
)
def test_what_would_reach_for_other_secrets_is_refused(office: Office, key: str, code: str) -> None:
    assert put(office, certificate(office), key)[1] == code


def test_only_who_keeps_the_registry_may_say_where_a_key_is(office: Office) -> None:
    identifier = certificate(office)
    token = office.token((Role.SIGNER, None))
    assert put(office, identifier, "sim:viettel/+84912345678", token=token)[0] == 403


def test_nobody_is_asked_for_what_a_holder_signs_alone(office: Office) -> None:
    identifier = certificate(office)
    waiting = office.sign(empty_pdf(), certificate_id=identifier, level="B-B").json()
    answer = office.call("POST", "/sign/ask", json={"requests": [waiting["id"]]})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_askable")
