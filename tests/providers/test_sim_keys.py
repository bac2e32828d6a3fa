"""Keys on SIMs over both protocols, against the simulated operator."""

import json
import threading
import time

import pytest

from hsm.algorithms import KeyAlgorithm
from hsm.errors import KeyUriInvalid, MechanismUnavailable, SignatureMismatch
from hsm.key_uri import KeyURI
from hsm.later import verification_code
from hsm.providers import Prompt
from hsm.refusals import (
    CertificateRefused,
    ProviderUnreachable,
    Refusal,
    SignatureRefused,
    Unauthorised,
    UnknownUser,
)
from hsm.sim import SimAddress
from tests.providers.conftest import AP_PASSWORD, World

DOCUMENT = b"\x31\x03the signed attributes of a document"
PROMPT = Prompt(text="Ký: Quyết định 123/QĐ-UBND.pdf")
PROTOCOLS = ["viettel", "mid"]
NUMBER = "+84912345678"


@pytest.mark.parametrize("provider", PROTOCOLS)
@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256])
def test_a_phone_signs_after_its_pin_and_the_signature_is_ours(
    world: World, provider: str, algorithm: KeyAlgorithm
) -> None:
    key = world.key(provider, NUMBER, algorithm=algorithm)
    pending = key.start(DOCUMENT, PROMPT)
    assert key.collect(pending) is None
    (asked,) = world.operator.waiting(NUMBER)
    world.operator.enter_pin(asked.id, "1234")
    signature = key.collect(pending)
    assert signature is not None
    assert key.collect(pending) == signature, "a lost answer can be fetched again"


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_the_same_code_is_on_both_screens(world: World, provider: str) -> None:
    key = world.key(provider, NUMBER)
    pending = key.start(DOCUMENT, PROMPT)
    code = pending.prompt.code or ""
    assert len(code) == 4
    assert code.isdigit()
    (asked,) = world.operator.waiting(NUMBER)
    shown = asked.asked.code or asked.asked.text
    assert code in shown
    assert "Quyết định 123/QĐ-UBND.pdf" in asked.asked.text


@pytest.mark.parametrize("provider", PROTOCOLS)
@pytest.mark.parametrize(
    ("digits", "reason"),
    [
        ("0401", Refusal.USER_CANCELLED),
        ("0208", Refusal.USER_TIMEOUT),
        ("0209", Refusal.PHONE_UNREACHABLE),
        ("0402", Refusal.PIN_BLOCKED),
        ("0403", Refusal.SIM_BLOCKED),
        ("0900", Refusal.PROVIDER_ERROR),
        ("0425", Refusal.CERT_INVALID),
    ],
)
def test_every_ending_has_its_one_reason(
    world: World, provider: str, digits: str, reason: Refusal
) -> None:
    key = world.key(provider, f"+8491234{digits}")
    pending = key.start(DOCUMENT, PROMPT)
    with pytest.raises(SignatureRefused) as caught:
        key.collect(pending)
    assert caught.value.refusal is reason


def test_a_sim_without_a_key_is_no_key(world: World) -> None:
    key = world.key("viettel", "+84912340404")
    pending = key.start(DOCUMENT, PROMPT)
    with pytest.raises(SignatureRefused) as caught:
        key.collect(pending)
    assert caught.value.refusal is Refusal.NO_KEY


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_a_number_without_a_subscriber_is_unknown(world: World, provider: str) -> None:
    key = world.key(provider, "+84912340105")
    with pytest.raises(UnknownUser):
        key.collect(key.start(DOCUMENT, PROMPT))


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_a_wrong_signature_is_never_released(world: World, provider: str) -> None:
    key = world.key(provider, "+84912340503")
    pending = key.start(DOCUMENT, PROMPT)
    with pytest.raises(SignatureMismatch):
        key.collect(pending)


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_a_swapped_sim_is_recognised(world: World, provider: str) -> None:
    key = world.key(provider, NUMBER)
    pending = key.start(DOCUMENT, PROMPT)
    world.operator.swap_sim(NUMBER)
    world.operator.enter_pin(world.operator.waiting(NUMBER)[0].id, "1234")
    with pytest.raises(CertificateRefused, match="replaced"):
        key.collect(pending)


def test_three_wrong_pins_block_and_are_told(world: World) -> None:
    key = world.key("viettel", NUMBER)
    pending = key.start(DOCUMENT, PROMPT)
    (asked,) = world.operator.waiting(NUMBER)
    for _ in range(3):
        world.operator.enter_pin(asked.id, "0000")
    with pytest.raises(SignatureRefused) as caught:
        key.collect(pending)
    assert caught.value.refusal is Refusal.PIN_BLOCKED


def test_one_pin_covers_a_batch_where_the_operator_allows_it(world: World) -> None:
    key = world.key("viettel", NUMBER)
    documents = [DOCUMENT + bytes([n]) for n in range(3)]
    pending = key.start_together(documents, PROMPT)
    assert key.collect_together(pending) is None
    assert len({one.prompt.code for one in pending}) == 1
    world.operator.enter_pin(world.operator.waiting(NUMBER)[0].id, "1234")
    found = key.collect_together(pending)
    assert found is not None
    assert len(set(found)) == 3


def test_a_batch_is_refused_where_every_document_needs_its_pin(world: World) -> None:
    key = world.key("mid", NUMBER)
    with pytest.raises(MechanismUnavailable):
        key.start_together([DOCUMENT, DOCUMENT + b"2"], PROMPT)


def test_a_question_is_taken_back_where_the_protocol_can(world: World) -> None:
    key = world.key("mid", NUMBER)
    pending = key.start(DOCUMENT, PROMPT)
    assert key.cancel(pending)
    assert world.operator.waiting(NUMBER) == []
    etsi = world.key("viettel", "+84912345679")
    assert not etsi.cancel(etsi.start(DOCUMENT, PROMPT))


def test_a_synchronous_operator_answers_within_one_exchange(world: World) -> None:
    world.overrides = {"messaging": "synch"}
    key = world.key("viettel", NUMBER)
    assert key.blocks
    pending = key.start(DOCUMENT, PROMPT)
    assert world.operator.waiting(NUMBER) == [], "nothing is asked before it is waited for"
    found: list[bytes | None] = []
    thread = threading.Thread(target=lambda: found.append(key.collect(pending)))
    thread.start()
    while not (waiting := world.operator.waiting(NUMBER)):
        time.sleep(0.01)
    world.operator.enter_pin(waiting[0].id, "1234")
    thread.join()
    assert found[0]


@pytest.mark.parametrize("soap", ["1.1", "1.2"])
@pytest.mark.parametrize(
    "dialect",
    [
        {"wrapper": "", "qualified": True},
        {"wrapper": "MSS_{message}", "wrapper_namespace": "", "qualified": False},
        {"wrapper": "MSS_{message}", "wrapper_namespace": "urn:an:operator.wsdl"},
        {"data": "digest", "msisdn": "national", "national_prefix": "84"},
    ],
    ids=["bare", "unqualified", "own-wsdl", "digest-national"],
)
def test_dialects_are_data(world: World, soap: str, dialect: dict[str, object]) -> None:
    world.overrides = {"soap": soap, **dialect}
    key = world.key("viettel", "+84912340500")
    assert key.collect(key.start(DOCUMENT, PROMPT)) is not None


def test_a_dialect_may_give_a_status_another_meaning(world: World) -> None:
    world.overrides = {"statuses": {"402": "sim_blocked"}}
    key = world.key("viettel", "+84912340402")
    pending = key.start(DOCUMENT, PROMPT)
    with pytest.raises(SignatureRefused) as caught:
        key.collect(pending)
    assert caught.value.refusal is Refusal.SIM_BLOCKED


def test_a_wrong_password_of_ours_is_unauthorised_and_stays_unsaid(world: World) -> None:
    key = world.key("viettel", NUMBER)
    (world.directory / "ap").write_text("another-secret-77")
    with pytest.raises(Unauthorised) as caught:
        key.start(DOCUMENT, PROMPT)
    assert "another-secret-77" not in str(caught.value)


def test_an_operator_that_is_away_was_never_asked(world: World) -> None:
    key = world.key("viettel", NUMBER)
    world.base = "http://127.0.0.1:9"
    away = world.key("viettel", NUMBER)
    with pytest.raises(ProviderUnreachable) as caught:
        away.start(DOCUMENT, PROMPT)
    assert not caught.value.delivered
    assert key.start(DOCUMENT, PROMPT)


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_the_registered_certificate_can_be_fetched(world: World, provider: str) -> None:
    keys = world.keys()
    world.key(provider, NUMBER, keys=keys)
    uri = KeyURI.parse(f"sim:{provider}/{NUMBER}")
    found = keys.phones(uri).certificate(SimAddress.of(uri))
    assert found == world.operator.phone(NUMBER).certificate


def test_a_handle_is_plain_data_without_secrets(world: World) -> None:
    key = world.key("viettel", NUMBER)
    reference = key.start(DOCUMENT, PROMPT).reference
    assert set(json.loads(reference)) == {"ap", "shared", "mssp"}
    assert AP_PASSWORD not in reference


def test_the_code_is_thirteen_bits_of_the_hash() -> None:
    digest = bytes([0xFF]) + bytes(30) + bytes([0xFF])
    assert verification_code([digest]) == "8191"
    assert verification_code([bytes(32)]) == "0000"
    assert verification_code([bytes([0x04]) + bytes(30) + bytes([0x81])]) == "0129"


@pytest.mark.parametrize(
    "text", ["sim:viettel", "sim:viettel/0912345678", "sim:/+84912345678", "csc:x/y"]
)
def test_an_address_that_names_no_phone_is_refused(text: str) -> None:
    with pytest.raises(KeyUriInvalid):
        SimAddress.of(KeyURI.parse(text))
