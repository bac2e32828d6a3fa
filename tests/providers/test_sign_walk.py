"""The whole walk of a signature over keys that are elsewhere, to each of its endings."""

import hashlib
import io
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from ca import devices, key_addresses, revoke, trust
from ca.devices import DeviceDetails
from ca.errors import DeviceInvalid
from ca.models import Certificate, DeviceKind, DeviceState
from ca.revocation_reasons import RevocationReason
from ca.validation import PathValidator
from db import audit
from db.base import uuid7
from hsm.algorithms import KeyAlgorithm
from hsm.errors import KeyUriInvalid, MechanismUnavailable
from hsm.key_uri import KeyURI
from hsm.refusals import ProviderSettingsInvalid
from pdf.detached import DetachedQuestion, verify_detached
from pdf.errors import TimestampUnavailable
from pdf.options import Level, SignatureFormat, SignatureOptions
from signing import batch_run, batches, collecting, prompts, sign
from signing.batches import BatchFile, BatchOrder
from signing.errors import NotAskable, SignRequestClosed
from signing.models import SignRequestStatus
from signing.models_batches import ItemStatus
from signing.models_prompts import PromptState
from signing.sign import SignOrder
from tests.ca.house import with_check_digit
from tests.pdf.signing_kit import blank_pdf
from tests.providers.conftest import AP_PASSWORD, RELYING_PARTY, Counter
from tests.signing.conftest import CALLER, NOW

NUMBER = "+84912345678"
SIGNS_BY_ITSELF = "+84912340500"
PROTOCOLS = ["viettel", "mid"]


@pytest.mark.parametrize(
    ("provider", "algorithm"), [("viettel", KeyAlgorithm.RSA_2048), ("mid", KeyAlgorithm.P_256)]
)
def test_a_document_signed_on_a_phone_is_accepted_elsewhere(
    counter: Counter, provider: str, algorithm: KeyAlgorithm
) -> None:
    request_id = counter.start(counter.sim_certificate(provider, NUMBER, algorithm))
    waiting = counter.request(request_id)
    assert waiting.status is SignRequestStatus.WAITING
    assert counter.step(request_id) is PromptState.ASKED
    assert counter.step(request_id) is PromptState.ASKED, "nobody has answered"
    (asked,) = counter.world.operator.waiting(NUMBER)
    assert waiting.verification_code in (asked.asked.code or asked.asked.text)
    counter.world.operator.enter_pin(asked.id, "1234")
    assert counter.step(request_id) is PromptState.CLOSED
    assert counter.request(request_id).status is SignRequestStatus.SIGNED
    assert counter.accepted_by_pdfsig(request_id)
    assert counter.step(request_id) is None
    with counter.desk.sessions() as session:
        assert audit.verify(session).intact


def test_a_file_of_any_kind_is_signed_on_a_phone_beside_it(counter: Counter) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    order = SignOrder(
        certificate_id=certificate.id,
        file_name="bảng lương.xlsx",
        options=SignatureOptions(signing_time=NOW),
        format=SignatureFormat.CADES,
        level=Level.B_T,
    )
    content = b"PK\x03\x04" + bytes(5000)
    request_id = sign.start(counter.desk, io.BytesIO(content), order, at=NOW, actor=CALLER).id
    assert counter.step(request_id) is PromptState.ASKED
    (asked,) = counter.world.operator.waiting(NUMBER)
    counter.world.operator.enter_pin(asked.id, "1234")
    assert counter.step(request_id) is PromptState.CLOSED
    _, signed = sign.signed_document(counter.desk, request_id, at=NOW, actor=CALLER)
    with signed, counter.desk.sessions() as session:
        question = DetachedQuestion(content_name=order.file_name, at=NOW, checked_at=NOW)
        validator = PathValidator(trust.anchors(session))
        report = verify_detached(signed.read(), io.BytesIO(content), question, validator=validator)
    (found,) = report.signatures
    assert (found.level, found.integrity.digest_match, found.integrity.signature_match) == (
        "B-T",
        True,
        True,
    )


ENDINGS = {
    "0401": "user_cancelled",
    "0208": "user_timeout",
    "0209": "phone_unreachable",
    "0402": "pin_blocked",
    "0403": "sim_blocked",
    "0425": "cert_invalid",
    "0900": "provider_error",
    "0105": "unknown_user",
    "0503": "signature_mismatch",
}


def test_each_ending_is_a_state_with_its_reason(counter: Counter) -> None:
    found = {}
    for digits in ENDINGS:
        request_id = counter.start(counter.sim_certificate("viettel", f"+8491234{digits}"))
        ended = counter.walk(request_id)
        assert ended.status is SignRequestStatus.FAILED
        assert not counter.desk.documents.holds(request_id)
        assert counter.prompt(request_id).state is PromptState.REFUSED
        found[digits] = ended.error_code
    assert found == ENDINGS


def test_a_sim_that_was_swapped_meanwhile_signs_nothing(counter: Counter) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", NUMBER))
    counter.step(request_id)
    counter.world.operator.swap_sim(NUMBER)
    counter.world.operator.enter_pin(counter.world.operator.waiting(NUMBER)[0].id, "1234")
    ended = counter.walk(request_id)
    assert (ended.status, ended.error_code) == (SignRequestStatus.FAILED, "cert_invalid")


def test_a_blocked_pin_is_noted_on_the_device(counter: Counter) -> None:
    house = counter.office.house
    msisdn = "+84912340402"
    holder = house.person()
    details = DeviceDetails(
        kind=DeviceKind.SIM,
        serial_number="SIM-402",
        msisdn=msisdn,
        iccid=with_check_digit("898402123456789012"),
        operator="Viettel",
    )
    with counter.desk.sessions.begin() as session:
        device = devices.register(session, details=details, at=NOW, actor="kho")
        devices.hand_over(session, device.id, subscriber_id=holder.id, at=NOW, actor="kho")
    certificate = counter.sim_certificate("viettel", msisdn)
    with counter.desk.sessions.begin() as session:
        session.get_one(Certificate, certificate.id).device_id = device.id
    counter.walk(counter.start(certificate))
    with counter.desk.sessions() as session:
        assert devices.get(session, device.id).state is DeviceState.PIN_LOCKED


def test_a_phone_nobody_answers_times_out_even_when_the_operator_forgets(counter: Counter) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", NUMBER))
    counter.step(request_id)
    late = NOW + timedelta(seconds=counter.world.seconds) + collecting.GRACE
    assert counter.step(request_id, at=late) is PromptState.REFUSED
    assert counter.request(request_id).error_code == "user_timeout"


def test_one_pin_signs_several_documents(counter: Counter) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    ids = [counter.start(certificate, hold=True, name=f"{n}.pdf") for n in range(3)]
    assert all(counter.request(one).verification_code is None for one in ids)
    rows = prompts.ask_together(counter.desk, ids, at=NOW, actor=CALLER)
    assert len({row.verification_code for row in rows}) == 1
    counter.step(ids[0])
    first, *_ = counter.world.operator.waiting(NUMBER)
    assert "3 văn bản" in first.asked.text
    counter.world.operator.enter_pin(first.id, "1234")
    assert counter.step(ids[0]) is PromptState.CLOSED
    for one in ids:
        assert counter.accepted_by_pdfsig(one)
    with pytest.raises(NotAskable):
        prompts.ask_together(counter.desk, ids, at=NOW, actor=CALLER)


def test_requests_are_asked_for_together_only_by_their_owner_and_within_the_limit(
    counter: Counter,
) -> None:
    certificate = counter.sim_certificate("mid", NUMBER)
    ids = [counter.start(certificate, hold=True) for _ in range(2)]
    with pytest.raises(NotAskable):
        prompts.ask_together(counter.desk, ids, at=NOW, actor="token:other")
    with pytest.raises(MechanismUnavailable):
        prompts.ask_together(counter.desk, ids, at=NOW, actor=CALLER)
    assert prompts.ask_together(counter.desk, ids[:1], at=NOW, actor=CALLER)


@pytest.mark.parametrize("provider", PROTOCOLS)
def test_a_cancelled_request_is_taken_back_where_the_provider_can(
    counter: Counter, provider: str
) -> None:
    request_id = counter.start(counter.sim_certificate(provider, NUMBER))
    counter.step(request_id)
    sign.cancel(counter.desk, request_id, at=NOW, actor=CALLER)
    prompt = counter.prompt(request_id)
    assert prompt.state is PromptState.WITHDRAWN
    told = collecting.withdraw(counter.desk, prompt.id)
    assert told == (provider == "mid")
    assert (counter.world.operator.waiting(NUMBER) == []) == told
    assert counter.step(request_id) is None
    assert counter.request(request_id).status is SignRequestStatus.CANCELLED


def test_an_answer_to_a_cancelled_request_is_not_used(counter: Counter) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", NUMBER))
    counter.step(request_id)
    (asked,) = counter.world.operator.waiting(NUMBER)
    sign.cancel(counter.desk, request_id, at=NOW, actor=CALLER)
    counter.world.operator.enter_pin(asked.id, "1234")
    assert counter.step(request_id) is None
    with pytest.raises(SignRequestClosed):
        sign.signed_document(counter.desk, request_id, at=NOW, actor=CALLER)


def test_an_operator_that_is_away_is_asked_again_until_the_time_is_over(counter: Counter) -> None:
    certificate = counter.sim_certificate("viettel", SIGNS_BY_ITSELF)
    request_id = counter.start(certificate)
    settings = counter.world.settings()
    counter.world.base = "http://127.0.0.1:9"
    counter.with_providers(counter.world.settings())
    assert counter.step(request_id) is PromptState.OPEN
    counter.with_providers(settings)
    assert counter.walk(request_id).status is SignRequestStatus.SIGNED


def test_an_operator_that_stays_away_ends_the_request(counter: Counter) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", NUMBER))
    counter.world.base = "http://127.0.0.1:9"
    counter.with_providers(counter.world.settings())
    late = counter.request(request_id).expires_at
    assert counter.step(request_id, at=late) is PromptState.REFUSED
    assert counter.request(request_id).error_code == "provider_error"


def test_a_provider_that_is_not_set_up_is_refused_before_anything_is_stored(
    counter: Counter,
) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    counter.with_providers({})
    with pytest.raises(ProviderSettingsInvalid):
        counter.start(certificate)


def test_what_is_stored_about_a_question_holds_no_secret(counter: Counter) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", NUMBER))
    counter.step(request_id)
    with counter.desk.sessions() as session:
        tables = ("signature_prompts", "signature_prompt_items", "audit_log", "sign_requests")
        found = [
            str(session.execute(text(f"SELECT json_agg(t) FROM {table} t")).scalar())  # noqa: S608 -- our names
            for table in tables
        ]
        jobs = session.execute(text("SELECT args FROM procrastinate.procrastinate_jobs"))
        found += [json.dumps(row.args) for row in jobs]
    for secret in (AP_PASSWORD, RELYING_PARTY, '1234"'):
        assert not any(secret in one for one in found)


def test_only_keys_elsewhere_can_be_given_an_address(counter: Counter) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    address = KeyURI.parse("soft:/etc/passwd")
    with counter.desk.sessions.begin() as session, pytest.raises(KeyUriInvalid):
        key_addresses.assign(session, certificate.id, address, at=NOW, actor="x")


def test_the_address_has_the_number_of_the_sim(counter: Counter) -> None:
    device = counter.office.house.sim()
    certificate = counter.sim_certificate("viettel", NUMBER)
    with counter.desk.sessions.begin() as session:
        session.get_one(Certificate, certificate.id).device_id = device.id
        session.flush()
        wrong = KeyURI.parse("sim:viettel/+84999999999")
        with pytest.raises(DeviceInvalid):
            key_addresses.assign(session, certificate.id, wrong, at=NOW, actor="x")
        right = KeyURI.parse(f"sim:viettel/{device.msisdn}")
        assert key_addresses.assign(session, certificate.id, right, at=NOW, actor="x").key_uri


class Away:
    """A time-stamp server that does not answer."""

    def timestamp(self, _digest: bytes, _hash_algorithm: str) -> bytes:
        raise TimestampUnavailable("no server answers")


def test_a_time_stamp_server_that_is_away_costs_nobody_a_second_pin(counter: Counter) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    request_id = counter.start(certificate, level=Level.B_T)
    counter.step(request_id)
    counter.world.operator.enter_pin(counter.world.operator.waiting(NUMBER)[0].id, "1234")
    working = counter.office
    counter.office = replace(working, desk=replace(counter.desk, timestamps=Away()))
    assert counter.step(request_id) is PromptState.ANSWERED
    assert counter.request(request_id).status is SignRequestStatus.WAITING
    counter.office = working
    counter.world.operator.add_phone(NUMBER, algorithm=KeyAlgorithm.P_256)
    assert counter.step(request_id) is PromptState.CLOSED
    assert counter.accepted_by_pdfsig(request_id)


def test_a_time_stamp_server_that_stays_away_ends_the_request(counter: Counter) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", SIGNS_BY_ITSELF), level=Level.B_T)
    counter.office = replace(counter.office, desk=replace(counter.desk, timestamps=Away()))
    counter.step(request_id)
    late = counter.request(request_id).expires_at - collecting.RETRY
    assert counter.step(request_id, at=late) is PromptState.CLOSED
    assert counter.request(request_id).error_code == TimestampUnavailable.code


def test_a_certificate_revoked_while_the_phone_is_waited_for_signs_nothing(
    counter: Counter,
) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    request_id = counter.start(certificate)
    counter.step(request_id)
    counter.world.operator.enter_pin(counter.world.operator.waiting(NUMBER)[0].id, "1234")
    with counter.desk.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            invalidity_at=None,
            keys=counter.desk.keys,
            at=NOW,
            actor=CALLER,
        )
    counter.step(request_id)
    ended = counter.request(request_id)
    assert (ended.status, ended.error_code) == (SignRequestStatus.FAILED, "certificate_not_usable")


def test_a_batch_asks_the_phone_with_as_few_pins_as_it_can(counter: Counter) -> None:
    certificate = counter.sim_certificate("viettel", NUMBER)
    files = [
        BatchFile(
            name=f"{n}.pdf",
            file=io.BytesIO(blank_pdf()),
            sha256=hashlib.sha256(blank_pdf()).hexdigest(),
            size=len(blank_pdf()),
        )
        for n in range(3)
    ]
    order = BatchOrder(
        certificate_id=certificate.id,
        options=SignatureOptions(signing_time=NOW, level=Level.B_B),
        level=Level.B_B,
        batch_id=uuid7(),
    )
    batches.create(counter.desk, order, files, at=NOW, actor=CALLER)
    assert batch_run.run(counter.desk, order.batch_id, clock=lambda: NOW)
    with counter.desk.sessions() as session:
        ids = [one.request_id for one in batches.items(session, order.batch_id)]
    assert len({counter.prompt(one).id for one in ids}) == 1
    counter.step(ids[0])
    counter.world.operator.enter_pin(counter.world.operator.waiting(NUMBER)[0].id, "1234")
    assert counter.step(ids[0]) is PromptState.CLOSED
    with counter.desk.sessions.begin() as session:
        counts = batches.progress(session, order.batch_id, actor=CALLER).counts
    assert counts[ItemStatus.SIGNED] == 3


def test_what_a_stopped_process_left_is_taken_up_but_nobody_is_asked_twice(
    counter: Counter,
) -> None:
    request_id = counter.start(counter.sim_certificate("viettel", SIGNS_BY_ITSELF))
    assert collecting.take_up(counter.desk, at=NOW) == 0, "it may be on its way"
    counter.step(request_id)
    assert collecting.take_up(counter.desk, at=NOW) == 1
    counter.world.overrides = {"messaging": "synch"}
    counter.with_providers(counter.world.settings())
    assert collecting.take_up(counter.desk, at=NOW) == 0, "another worker may be in the exchange"
