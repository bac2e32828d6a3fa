import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, select

from ca import authorities, issue, lint, profiles, registry, requests, subscribers, tbs
from ca.errors import (
    AuthorityUnavailable,
    IntentNotOpen,
    KeyUnacceptable,
    LintFailed,
    RequestInvalid,
    TransitionNotAllowed,
)
from ca.models import (
    Certificate,
    CertificateStatus,
    CertificateStatusChange,
    RequestKind,
    RequestState,
)
from ca.models_publication import OcspAnswer
from ca.profiles import EtsiType
from db import audit_verification
from db.models import AuditEntry
from hsm.algorithms import KeyAlgorithm
from tests.ca.house import AT, CHIEF, House, csr_for, ec_key


def chain_files(house: House, certificate: Certificate, directory: Path) -> tuple[str, str, str]:
    with house.sessions() as session:
        issuer = authorities.issuing(session)
        encoded = [*authorities.certificate_chain(session, issuer), certificate.der or b""]
    paths = []
    for name, der in zip(("issuing", "root", "leaf"), encoded, strict=True):
        path = directory / f"{name}.crt"
        path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
        paths.append(str(path))
    return paths[0], paths[1], paths[2]


def openssl(*arguments: str) -> str:
    return subprocess.run(
        ["openssl", *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_an_approved_request_becomes_a_certificate_that_openssl_verifies(
    house: House, tmp_path: Path
) -> None:
    certificate = house.certificate()
    issuing, root, leaf = chain_files(house, certificate, tmp_path)
    epoch = str(int(AT.timestamp()))
    answer = openssl("verify", "-attime", epoch, "-CAfile", root, "-untrusted", issuing, leaf)
    assert answer.strip().endswith("OK")
    shown = openssl("x509", "-in", leaf, "-noout", "-serial", "-text")
    assert certificate.serial_number.upper() in shown
    assert "Non Repudiation" in shown
    assert "http://pki.binhphuoc.gov.vn/pki/issuing.crl" in shown


def test_the_row_tells_the_certificate_and_nothing_is_left_of_the_intent(house: House) -> None:
    certificate = house.certificate()
    with house.sessions() as session:
        row = registry.get(session, f"serial:{certificate.serial_number}")
        parsed = x509.load_der_x509_certificate(row.der or b"")
        assert row.id == certificate.id
        assert row.status is CertificateStatus.ACTIVE
        assert row.tbs is None
        assert row.issued_at == AT
        assert parsed.serial_number == int(row.serial_number, 16)
        assert parsed.not_valid_after_utc == row.not_after
        assert row.request_id is not None
        assert requests.get(session, row.request_id).state is RequestState.ISSUED
        statuses = session.scalars(select(CertificateStatusChange.status)).all()
        assert statuses == [CertificateStatus.ACTIVE]
        assert session.scalar(select(func.count()).select_from(OcspAnswer)) == 1
        assert issue.open_intents(session) == []


def test_every_step_is_in_the_audit_log(house: House) -> None:
    certificate = house.certificate()
    with house.sessions() as session:
        about = select(AuditEntry.action).where(AuditEntry.object_id == str(certificate.id))
        assert set(session.scalars(about)) == {"certificate.intend", "certificate.issue"}
        assert audit_verification.verify(session).first_broken is None


@pytest.mark.parametrize("profile", ["personal", "organizational", "sim"])
def test_every_profile_passes_the_full_linter_without_a_warning(house: House, profile: str) -> None:
    subscriber = house.agency() if profile == "organizational" else house.person()
    device = house.sim().id if profile == "sim" else None
    certificate = house.issue(house.approved(subscriber, profile=profile, device_id=device))
    kind = EtsiType.LEGAL_PERSON if profile == "organizational" else EtsiType.NATURAL_PERSON
    findings = lint.full(certificate.der or b"", kind)
    assert findings
    assert [str(f) for f in findings if f.severity >= lint.Severity.NOTICE] == []


def test_the_linter_refuses_a_person_where_an_organisation_belongs(house: House) -> None:
    findings = lint.full(house.certificate().der or b"", EtsiType.LEGAL_PERSON)
    assert [f for f in findings if f.severity >= lint.Severity.ERROR]


def test_a_key_made_by_the_server_is_opened_by_the_uri_in_the_row(house: House) -> None:
    request = house.approved(house.person(), key_algorithm=KeyAlgorithm.P_256)
    certificate = house.issue(request)
    assert certificate.key_uri is not None
    key = house.keys.open(certificate.key_uri)
    parsed = x509.load_der_x509_certificate(certificate.der or b"")
    assert key.public_key() == parsed.public_key()


def test_without_a_token_to_make_keys_on_nothing_is_recorded(house: House) -> None:
    request = house.approved(house.person(), key_algorithm=KeyAlgorithm.P_256)
    with pytest.raises(RequestInvalid):
        issue.issue(house.sessions, request_id=request.id, keys=house.keys, at=AT, actor=CHIEF)
    with house.sessions() as session:
        assert requests.get(session, request.id).state is RequestState.APPROVED
        assert session.scalar(select(func.count()).select_from(Certificate)) == 0


def test_a_request_that_nobody_approved_is_not_issued(house: House) -> None:
    request = house.received(house.person())
    with pytest.raises(TransitionNotAllowed):
        house.issue(request)


def test_a_request_is_issued_once(house: House) -> None:
    request = house.approved(house.person())
    house.issue(request)
    with pytest.raises(TransitionNotAllowed):
        house.issue(request)


def test_a_renewal_points_at_the_certificate_before(house: House) -> None:
    first = house.certificate()
    with house.sessions() as session:
        subscriber = subscribers.get(session, first.subscriber_id)
    request = house.approved(subscriber, kind=RequestKind.RENEW, certificate_id=first.id)
    second = house.issue(request, at=AT + timedelta(days=1))
    assert second.predecessor_id == first.id
    assert second.not_after.year == AT.year + 3


def test_the_key_of_another_subscriber_is_refused_when_it_is_put_in(house: House) -> None:
    key = ec_key()
    house.issue(house.approved(house.person(), csr=csr_for(key)))
    with pytest.raises(KeyUnacceptable) as caught:
        house.received(house.person(), csr=csr_for(key))
    assert caught.value.reason == "of_another_subscriber"


def test_two_requests_with_one_key_end_in_one_certificate(house: House) -> None:
    csr = csr_for(ec_key())
    first = house.approved(house.person(), csr=csr)
    second = house.approved(house.person(), csr=csr)
    house.issue(first)
    with pytest.raises(KeyUnacceptable):
        house.issue(second)


def test_the_key_of_an_authority_is_refused(house: House) -> None:
    with house.sessions() as session:
        authority = authorities.issuing(session)
    key = house.keys.open(authority.key_uri)
    with pytest.raises(KeyUnacceptable) as caught:
        house.received(house.person(), csr=csr_for(key))  # type: ignore[arg-type]
    assert caught.value.reason == "of_an_authority"


class Interrupted(BaseException):
    """As sudden as a crash: no handler of the code under test catches it."""


def test_a_crash_before_the_signature_leaves_an_open_intent_with_its_octets(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.approved(house.person())

    def crash(*_: object, **__: object) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(authorities.AuthoritySigner, "sign", crash)
        with pytest.raises(Interrupted):
            house.issue(request)
    with house.sessions() as session:
        (intent,) = issue.open_intents(session)
        assert intent.status is CertificateStatus.ISSUING
        assert intent.der is None
        assert intent.tbs is not None
        assert requests.get(session, request.id).state is RequestState.KEY_GENERATED
    with pytest.raises(TransitionNotAllowed):
        house.issue(request)


def test_an_abandoned_intent_is_never_signed_and_its_request_can_be_issued_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.approved(house.person())
    with monkeypatch.context() as patched:
        patched.setattr(lint, "check", lambda *_, **__: (_ for _ in ()).throw(Interrupted))
        with pytest.raises(Interrupted):
            house.issue(request)
    with house.sessions.begin() as session:
        (intent,) = issue.open_intents(session)
        issue.abandon(session, certificate_id=intent.id, note="crash", at=AT, actor=CHIEF)
    with house.sessions.begin() as session, pytest.raises(IntentNotOpen):
        issue.abandon(session, certificate_id=intent.id, note="again", at=AT, actor=CHIEF)
    certificate = house.issue(request)
    assert certificate.serial_number != intent.serial_number


def test_after_an_abandoned_intent_the_server_makes_a_new_key(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.approved(house.person(), key_algorithm=KeyAlgorithm.P_256)
    with monkeypatch.context() as patched:
        patched.setattr(lint, "fast_findings", lambda *_, **__: ("refused",))
        with pytest.raises(LintFailed):
            house.issue(request)
    certificate = house.issue(request)
    with house.sessions() as session:
        keys = set(session.scalars(select(Certificate.key_uri)))
    assert len(keys) == 2
    assert certificate.key_uri in keys


def test_a_twin_with_findings_is_not_signed_and_its_intent_is_abandoned(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.approved(house.person())
    signed: list[bytes] = []
    with monkeypatch.context() as patched:
        patched.setattr(lint, "fast_findings", lambda *_, **__: ("validity is not as meant",))
        patched.setattr(authorities.AuthoritySigner, "sign", lambda _, data: signed.append(data))
        with pytest.raises(LintFailed) as caught:
            house.issue(request)
    assert caught.value.findings == ("validity is not as meant",)
    assert signed == []
    with house.sessions() as session:
        (row,) = session.scalars(select(Certificate))
        assert row.status is CertificateStatus.ABANDONED
        assert requests.get(session, request.id).state is RequestState.APPROVED


def test_a_wrong_signature_of_the_token_never_becomes_a_certificate(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = house.approved(house.person())
    sign = authorities.AuthoritySigner.sign
    with monkeypatch.context() as patched:
        patched.setattr(
            authorities.AuthoritySigner, "sign", lambda self, data: sign(self, data + b"x")
        )
        with pytest.raises(issue.SignedBytesDiffer):
            house.issue(request)
    with house.sessions() as session:
        (row,) = session.scalars(select(Certificate))
        assert (row.status, row.der) == (CertificateStatus.ISSUING, None)


def test_an_authority_whose_key_is_gone_records_no_intent(house: House) -> None:
    request = house.approved(house.person())
    house.keys.close()
    (house.directory / "issuing.pem").unlink()
    with pytest.raises(AuthorityUnavailable):
        house.issue(request)
    with house.sessions() as session:
        assert session.scalar(select(func.count()).select_from(Certificate)) == 0


def test_no_certificate_outlives_its_issuer() -> None:
    end = AT + timedelta(days=400)
    _, not_after = profiles.validity(
        profiles.PERSONAL, request=RequestKind.NEW, at=AT, issuer_not_after=end
    )
    assert not_after == end
    with pytest.raises(AuthorityUnavailable):
        profiles.validity(profiles.PERSONAL, request=RequestKind.NEW, at=end, issuer_not_after=end)


def test_serial_numbers_have_twenty_octets_and_random_bits_all_over() -> None:
    numbers = [tbs.new_serial_number() for _ in range(500)]
    assert len(set(numbers)) == 500
    assert all(len(tbs.serial_text(n)) == 40 and n >> 159 == 0 for n in numbers)
    for bit in range(158):
        ones = sum(n >> bit & 1 for n in numbers)
        assert 150 < ones < 350, bit
