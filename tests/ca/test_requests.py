import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ca import requests
from ca.errors import (
    CertificateNotFound,
    KeyUnacceptable,
    RequestInvalid,
    RequestNotFound,
    SelfApproval,
    SubjectInvalid,
    TransitionNotAllowed,
)
from ca.models import CertificateRequest, RequestKind, RequestState, Subscriber
from ca.profiles import KeyRules
from ca.public_keys import check_algorithm
from ca.requests import RequestDetails
from db.base import uuid7
from db.models import AuditEntry
from hsm.algorithms import KeyAlgorithm
from tests.ca.house import AT, CHIEF, CLERK, House, csr_for, ec_key


def test_a_second_person_approves(house: House) -> None:
    request = house.approved(house.person())
    assert request.state is RequestState.APPROVED
    assert (request.requested_by, request.decided_by) == (CLERK, CHIEF)


@pytest.mark.parametrize("decision", ["approve", "reject", "return_"])
def test_nobody_decides_on_the_own_request(house: House, decision: str) -> None:
    request = house.received(house.person())
    with house.sessions.begin() as session, pytest.raises(SelfApproval):
        getattr(requests, decision)(session, request.id, at=AT, actor=CLERK, note="…")


def test_the_database_refuses_a_self_approval_too(house: House) -> None:
    request = house.received(house.person())
    statement = text(
        "UPDATE certificate_requests SET state = 'approved', decided_by = requested_by,"
        " decided_at = now() WHERE id = :id"
    )
    with house.sessions() as session, pytest.raises(IntegrityError, match="four_eyes"):
        session.execute(statement, {"id": request.id})


def test_the_database_refuses_an_approval_by_nobody(house: House) -> None:
    request = house.received(house.person())
    statement = text("UPDATE certificate_requests SET state = 'approved' WHERE id = :id")
    with house.sessions() as session, pytest.raises(IntegrityError, match="decided"):
        session.execute(statement, {"id": request.id})


def test_a_draft_goes_through_its_agency_before_it_is_decided(house: House) -> None:
    person = house.person()
    details = RequestDetails(
        kind=RequestKind.NEW,
        subscriber_id=person.id,
        profile="personal",
        csr=csr_for(ec_key()),
        document_reference="12/TTr-SNV",
    )
    with house.sessions.begin() as session:
        draft = requests.submit(session, details=details, at=AT, actor=CLERK, draft=True)
        with pytest.raises(TransitionNotAllowed):
            requests.approve(session, draft.id, at=AT, actor=CHIEF)
        requests.confirm(session, draft.id, at=AT, actor=CLERK)
        requests.receive(session, draft.id, at=AT, actor=CLERK)
        assert requests.approve(session, draft.id, at=AT, actor=CHIEF).decided_at == AT


def test_a_returned_request_comes_back_by_whoever_made_it(house: House) -> None:
    request = house.received(house.person())
    with house.sessions.begin() as session:
        requests.return_(session, request.id, at=AT, actor=CHIEF, note="thiếu công văn")
        with pytest.raises(RequestInvalid):
            requests.receive(session, request.id, at=AT, actor="third@example")
        requests.receive(session, request.id, at=AT, actor=CLERK)
        requests.approve(session, request.id, at=AT, actor=CHIEF)


def test_a_rejected_request_is_at_its_end(house: House) -> None:
    request = house.received(house.person())
    with house.sessions.begin() as session:
        requests.reject(session, request.id, at=AT, actor=CHIEF, note="sai đối tượng")
        with pytest.raises(TransitionNotAllowed):
            requests.approve(session, request.id, at=AT, actor=CHIEF)


@pytest.mark.parametrize("decision", ["reject", "return_"])
def test_a_no_needs_a_reason(house: House, decision: str) -> None:
    request = house.received(house.person())
    with house.sessions.begin() as session, pytest.raises(RequestInvalid):
        getattr(requests, decision)(session, request.id, at=AT, actor=CHIEF, note=" ")


@pytest.mark.parametrize("words", ["\x00", "a\ud800b", "x" * 2001])
def test_words_that_cannot_be_kept_are_refused(house: House, words: str) -> None:
    person = house.person()
    request = house.received(person)
    with pytest.raises(RequestInvalid):
        house.received(person, reason=words)
    with pytest.raises(RequestInvalid):
        house.received(person, document_reference=words)
    with house.sessions.begin() as session, pytest.raises(RequestInvalid):
        requests.approve(session, request.id, at=AT, actor=CHIEF, note=words)


def test_the_dossier_ends_with_the_delivery_and_the_first_use(house: House) -> None:
    certificate = house.certificate()
    assert certificate.request_id is not None
    with house.sessions.begin() as session:
        requests.deliver(session, certificate.request_id, at=AT, actor=CLERK)
        done = requests.activate(session, certificate.request_id, at=AT, actor=CLERK)
        assert done.state is RequestState.ACTIVE
    with house.sessions() as session:
        entries = session.query(AuditEntry).where(AuditEntry.object_id == str(done.id)).all()
        assert {entry.action.partition(".")[2] for entry in entries} == {
            "received",
            "approved",
            "key_generated",
            "issued",
            "delivered",
            "active",
        }


def test_a_request_has_one_source_of_its_key(house: House) -> None:
    person = house.person()
    with pytest.raises(RequestInvalid):
        house.received(person, csr=csr_for(ec_key()), key_algorithm=KeyAlgorithm.P_256)
    with pytest.raises(RequestInvalid):
        house.received(person, csr=None)


def test_a_key_that_would_not_be_certified_is_not_asked_for(house: House) -> None:
    """Told when it is asked, before a second person decides and a key is made for nothing."""
    with pytest.raises(KeyUnacceptable, match="kind_not_allowed"):
        house.received(house.person(), key_algorithm=KeyAlgorithm.ED25519)
    strict = KeyRules(rsa_bits=(3072, 4096), curves=frozenset({"secp384r1"}))
    for algorithm in (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256):
        with pytest.raises(KeyUnacceptable):
            check_algorithm(algorithm, rules=strict)
    for algorithm in set(KeyAlgorithm) - {KeyAlgorithm.ED25519}:
        check_algorithm(algorithm, rules=KeyRules())


def test_a_profile_is_not_for_the_other_kind_of_subscriber(house: House) -> None:
    with pytest.raises(SubjectInvalid):
        house.received(house.agency(), profile="personal")
    with pytest.raises(SubjectInvalid):
        house.received(house.person(), profile="organizational")


def test_a_sim_certificate_needs_a_sim(house: House) -> None:
    person = house.person()
    with pytest.raises(RequestInvalid, match="needs a device"):
        house.received(person, profile="sim")
    request = house.received(person, profile="sim", device_id=house.sim().id)
    assert request.certificate_kind == "sim"


def test_a_key_on_a_sim_is_not_made_by_the_server(house: House) -> None:
    with pytest.raises(RequestInvalid):
        house.received(
            house.person(),
            profile="sim",
            device_id=house.sim().id,
            key_algorithm=KeyAlgorithm.P_256,
        )


def test_a_renewal_is_about_the_subscribers_own_certificate(house: House) -> None:
    certificate, stranger = house.certificate(), house.person()
    with pytest.raises(RequestInvalid, match="another subscriber"):
        house.received(stranger, kind=RequestKind.RENEW, certificate_id=certificate.id)
    with pytest.raises(CertificateNotFound):
        house.received(stranger, kind=RequestKind.RENEW, certificate_id=uuid7())
    with pytest.raises(RequestInvalid, match="names the certificate"):
        house.received(stranger, kind=RequestKind.RENEW)


def test_a_request_to_revoke_carries_no_key(house: House) -> None:
    certificate = house.certificate()
    with house.sessions() as session:
        owner = session.get_one(Subscriber, certificate.subscriber_id)
    with pytest.raises(RequestInvalid):
        house.received(
            owner, kind=RequestKind.REVOKE, certificate_id=certificate.id, csr=csr_for(ec_key())
        )
    request = house.received(
        owner,
        kind=RequestKind.REVOKE,
        certificate_id=certificate.id,
        csr=None,
        reason="nghỉ hưu",
    )
    assert request.state is RequestState.RECEIVED


def test_an_unknown_request_is_said_to_be_unknown(house: House) -> None:
    with house.sessions.begin() as session, pytest.raises(RequestNotFound):
        requests.approve(session, uuid7(), at=AT, actor=CHIEF)


def test_requests_are_listed_by_state_and_subtree_page_by_page(house: House) -> None:
    province = house.organization("Tỉnh", level="province")
    unit = house.organization("Sở", parent_id=province.id)
    inside = [house.received(house.person(organization=unit)) for _ in range(3)]
    house.received(house.person())
    with house.sessions() as session:
        first = requests.listing(session, under=province.id, limit=2)
        rest = requests.listing(session, under=province.id, limit=2, after=first[-1].id)
        assert [r.id for r in first + rest] == [r.id for r in inside]
        approved = frozenset({RequestState.APPROVED})
        assert requests.listing(session, states=approved, limit=9) == []
        assert session.query(CertificateRequest).count() == 4


def test_every_state_is_in_the_table_and_every_way_leads_somewhere() -> None:
    assert set(requests.TRANSITIONS) == set(RequestState)
    reached = {RequestState.DRAFT}
    while True:
        more = reached.union(*(requests.TRANSITIONS[state] for state in reached))
        if more == reached:
            break
        reached = more
    assert reached == set(RequestState)
