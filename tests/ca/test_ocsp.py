import base64
import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp as x509_ocsp
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ca import authorities, der, jobs, ocsp, ocsp_messages, revoke
from ca.authority_signers import AuthoritySigner
from ca.models import Certificate, CertificateStatus
from ca.models_publication import OcspAnswer
from ca.ocsp import OcspService
from ca.revocation_reasons import RevocationReason
from hsm.algorithms import default_for, verify
from tests.ca.hierarchy import root
from tests.ca.house import AT, CHIEF, House
from tests.ca.linters import ocsp_findings
from tests.ca.openssl import openssl, write_pem

LATER = AT + timedelta(hours=2)
Status = x509_ocsp.OCSPCertStatus
Response = x509_ocsp.OCSPResponseStatus


def load(der_certificate: bytes | None) -> x509.Certificate:
    assert der_certificate is not None
    return x509.load_der_x509_certificate(der_certificate)


def issuing_certificate(house: House, slug: str = "issuing") -> x509.Certificate:
    with house.sessions() as session:
        return load(authorities.by_slug(session, slug).certificate)


def request_for(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    *,
    nonce: bytes | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:
    builder = x509_ocsp.OCSPRequestBuilder().add_certificate(
        certificate,
        issuer,
        algorithm or hashes.SHA1(),  # noqa: S303 -- names the certificate, protects nothing
    )
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def ask(house: House, request: bytes, *, at: datetime = LATER) -> x509_ocsp.OCSPResponse:
    with house.sessions() as session:
        return x509_ocsp.load_der_ocsp_response(
            ocsp.answer(session, request, keys=house.keys, at=at)
        )


def revoke_certificate(house: House, certificate: Certificate, *, at: datetime = LATER) -> None:
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.KEY_COMPROMISE,
            keys=house.keys,
            at=at,
            actor=CHIEF,
        )


def test_an_issued_certificate_is_good_by_its_stored_answer(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    with house.sessions() as session:
        stored = session.get_one(OcspAnswer, certificate.id).der
        given_back = ocsp.answer(session, request, keys=house.keys, at=LATER)
    assert given_back == stored
    read = x509_ocsp.load_der_ocsp_response(given_back)
    assert read.certificate_status is Status.GOOD
    assert read.next_update_utc is not None
    assert read.next_update_utc - read.this_update_utc == ocsp.ANSWER_LIFETIME


@pytest.mark.parametrize("nonce", [None, b"\x01", bytes(range(32))])
@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()])  # noqa: S303 -- as asked
def test_openssl_accepts_the_answer_by_the_delegated_responder(
    house: House, tmp_path: Path, nonce: bytes | None, algorithm: hashes.HashAlgorithm
) -> None:
    certificate = house.certificate()
    issuer = issuing_certificate(house)
    request = request_for(load(certificate.der), issuer, nonce=nonce, algorithm=algorithm)
    with house.sessions() as session:
        answer = ocsp.answer(session, request, keys=house.keys, at=LATER)
    files = {"request": request, "answer": answer}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    trusted = write_pem(
        tmp_path / "root.pem", issuing_certificate(house, "root").public_bytes(Encoding.DER)
    )
    above = write_pem(tmp_path / "issuing.pem", issuer.public_bytes(Encoding.DER))
    target = write_pem(tmp_path / "target.pem", certificate.der or b"")
    checks = (
        *("ocsp", "-respin", tmp_path / "answer", "-CAfile", trusted, "-verify_other", above),
        *("-attime", str(int(LATER.timestamp())), "-validity_period", str(20 * 365 * 86400)),
    )
    nonce_seen = openssl(*checks, "-reqin", tmp_path / "request")
    assert nonce_seen.stderr.strip() == "Response verify OK"
    status = (*checks, "-no_nonce", f"-{algorithm.name}", "-issuer", above, "-cert", target)
    seen = openssl(*status)
    assert "Response verify OK" in seen.stderr
    assert ": good" in seen.stdout
    assert not ocsp_findings(tmp_path / "answer")
    twin = bytearray(answer)
    twin[answer.index(b"\x80\x00\x18")] = 0x82  # "good" turned into "unknown"
    (tmp_path / "answer").write_bytes(twin)
    assert "Response verify OK" not in openssl(*status).stderr


def test_a_committed_revocation_shows_at_once_in_every_process(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    processes = [OcspService(house.keys), OcspService(house.keys)]

    def statuses() -> list[object]:
        with house.sessions() as session:
            return [
                x509_ocsp.load_der_ocsp_response(
                    one.answer(session, request, at=LATER)
                ).certificate_status
                for one in processes
            ]

    assert statuses() == [Status.GOOD, Status.GOOD]
    revoke_certificate(house, certificate)
    assert statuses() == [Status.REVOKED, Status.REVOKED]


def test_the_revoked_answer_says_when_and_why(house: House) -> None:
    certificate = house.certificate()
    revoke_certificate(house, certificate)
    read = ask(house, request_for(load(certificate.der), issuing_certificate(house)))
    assert read.revocation_time_utc == LATER
    assert read.revocation_reason is x509.ReasonFlags.key_compromise


def test_a_revocation_that_is_not_committed_does_not_show(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    with house.sessions() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=LATER,
            actor=CHIEF,
        )
        assert ask(house, request).certificate_status is Status.GOOD
        session.rollback()
    assert ask(house, request).certificate_status is Status.GOOD


def test_a_stored_answer_that_contradicts_the_status_is_never_given(house: House) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session:  # as if somebody had changed the row behind our back
        session.execute(
            update(Certificate)
            .where(Certificate.id == certificate.id)
            .values(status=CertificateStatus.REVOKED, revoked_at=LATER)
        )
    read = ask(house, request_for(load(certificate.der), issuing_certificate(house)))
    assert read.certificate_status is Status.REVOKED


def test_a_stored_answer_past_its_end_is_never_given(house: House) -> None:
    certificate = house.certificate()
    late = AT + ocsp.ANSWER_LIFETIME + timedelta(seconds=1)
    request = request_for(load(certificate.der), issuing_certificate(house))
    read = ask(house, request, at=late)
    assert read.certificate_status is Status.GOOD
    assert read.next_update_utc is not None
    assert read.next_update_utc > late


def test_a_suspended_certificate_is_revoked_on_hold_and_good_again_after(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    with house.sessions.begin() as session:
        revoke.suspend(
            session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF
        )
    assert ask(house, request).revocation_reason is x509.ReasonFlags.certificate_hold
    with house.sessions.begin() as session:
        revoke.restore(
            session,
            certificate_id=certificate.id,
            keys=house.keys,
            at=LATER + timedelta(minutes=1),
            actor=CHIEF,
        )
    assert ask(house, request, at=LATER + timedelta(hours=1)).certificate_status is Status.GOOD


def test_a_serial_never_issued_is_unknown(house: House) -> None:
    issuer = issuing_certificate(house)
    request = (
        x509_ocsp.OCSPRequestBuilder()
        .add_certificate_by_hash(
            *ocsp_messages.issuer_hashes(issuer, digest="sha256"), 4711, hashes.SHA256()
        )
        .build()
        .public_bytes(Encoding.DER)
    )
    assert ask(house, request).certificate_status is Status.UNKNOWN


def test_another_issuers_certificate_is_unauthorized(house: House) -> None:
    stranger = root("Người lạ")
    request = request_for(stranger.issue("Ai đó").cert, stranger.cert)
    assert ask(house, request).response_status is Response.UNAUTHORIZED


@pytest.mark.parametrize("slug", ["ocsp", "tsa"])
def test_our_own_authorities_are_good(house: House, slug: str) -> None:
    own = issuing_certificate(house, slug)
    assert (
        ask(house, request_for(own, issuing_certificate(house))).certificate_status is Status.GOOD
    )


def test_the_issuing_ca_is_answered_for_by_the_roots_responder(house: House) -> None:
    above = issuing_certificate(house, "root")
    read = ask(house, request_for(issuing_certificate(house), above))
    assert read.certificate_status is Status.GOOD
    assert read.certificates == [issuing_certificate(house, "root-ocsp")]


def test_several_certificates_in_one_request_are_all_answered(house: House) -> None:
    first, second = house.certificate(), house.certificate()
    revoke_certificate(house, second)
    issuer = issuing_certificate(house)
    identifiers = [
        ocsp_messages.certificate_id(issuer, int(one.serial_number, 16)).encoded
        for one in (first, second)
    ]
    entries = [der.sequence(identifier) for identifier in identifiers]
    request = der.sequence(der.sequence(der.sequence(*entries)))
    read = ask(house, request)
    assert [single.certificate_status for single in read.responses] == [Status.GOOD, Status.REVOKED]
    mixed = [*entries, der.sequence(ocsp_messages.certificate_id(root().cert, 1).encoded)]
    refused = ask(house, der.sequence(der.sequence(der.sequence(*mixed))))
    assert refused.response_status is Response.UNAUTHORIZED
    many = der.sequence(der.sequence(der.sequence(*entries * 11)))
    assert ask(house, many).response_status is Response.MALFORMED_REQUEST


def test_the_nonce_comes_back_as_it_was_sent(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house), nonce=b"\x05" * 16)
    read = ask(house, request)
    assert read.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"\x05" * 16


@pytest.mark.parametrize("nonce", [b"", bytes(33)])
def test_rejects_a_nonce_outside_the_bounds(house: House, nonce: bytes) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house), nonce=nonce)
    assert ask(house, request).response_status is Response.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"\x30\x00", b"GIF89a", bytes(5000), b"\x30\x80\x00\x00", b"\x30\x03\x30\x01\x00"],
)
def test_bytes_that_are_no_request_are_malformed(house: House, request_bytes: bytes) -> None:
    assert ask(house, request_bytes).response_status is Response.MALFORMED_REQUEST


@given(st.binary(max_size=200))
def test_parsing_arbitrary_bytes_gives_a_request_or_a_refusal(data: bytes) -> None:
    with contextlib.suppress(der.DerError):
        assert ocsp_messages.parse_request(data).certificates


@given(st.data())
def test_a_damaged_request_never_raises_anything_else(data: st.DataObject) -> None:
    authority = root()
    whole = bytearray(request_for(authority.issue("A").cert, authority.cert, nonce=b"1234"))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(der.DerError):
        ocsp_messages.parse_request(bytes(whole))


def test_the_path_of_a_get_is_decoded(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    assert ocsp.request_from_path(quote(base64.b64encode(request), safe="")) == request
    assert ocsp.request_from_path("%%%") == b""


@given(serials=st.lists(st.integers(min_value=1, max_value=2**159 - 1), max_size=4))
def test_answers_that_are_signed_together_say_what_each_would_say_alone(
    serials: list[int],
) -> None:
    made = root()
    signer = AuthoritySigner(made.cert, made.der, made.key, default_for(made.key.public_key()))
    responder = ocsp_messages.Responder(signer, made.cert)
    identifiers = [ocsp_messages.certificate_id(made.cert, one).encoded for one in serials]
    for status in (ocsp_messages.GOOD, ocsp_messages.NEVER_TO_BE_TRUSTED):
        said = ocsp_messages.SingleAnswer(b"", status, AT, AT + timedelta(hours=1))
        together = responder.answer_each(identifiers, said, produced_at=AT)
        for identifier, encoded in zip(identifiers, together, strict=True):
            alone = responder.answer([replace(said, certificate_id=identifier)], produced_at=AT)
            assert isinstance(encoded, bytes)
            one, other = (x509_ocsp.load_der_ocsp_response(each) for each in (encoded, alone))
            assert one.tbs_response_bytes == other.tbs_response_bytes
            assert one.certificates == other.certificates
            verify(made.key.public_key(), signer.algorithm, one.signature, one.tbs_response_bytes)


def test_the_answer_waits_when_the_responders_key_is_gone(house: House) -> None:
    certificate = house.certificate()
    request = request_for(load(certificate.der), issuing_certificate(house))
    for file in house.directory.glob("ocsp.*"):
        file.rename(file.with_suffix(".gone" + file.suffix))
    house.keys.close()
    assert ask(house, request).response_status is Response.TRY_LATER


def test_answers_near_their_end_are_renewed_and_others_left(house: House) -> None:
    certificate = house.certificate()
    revoked = house.certificate()
    revoke_certificate(house, revoked)

    def ends() -> list[datetime]:
        with house.sessions() as session:
            return list(session.scalars(select(OcspAnswer.next_update)))

    before = ends()
    assert jobs.renew_ocsp_answers(house.sessions, house.keys, AT + timedelta(hours=1), {}) == 0
    assert ends() == before
    at = AT + ocsp.ANSWER_LIFETIME - timedelta(hours=1)
    assert jobs.renew_ocsp_answers(house.sessions, house.keys, at, {}) == 2
    assert all(end >= at + ocsp.ANSWER_LIFETIME for end in ends())
    issuer = issuing_certificate(house)
    assert ask(house, request_for(load(revoked.der), issuer), at=at).revocation_time_utc == LATER
    good = ask(house, request_for(load(certificate.der), issuer), at=at)
    assert good.certificate_status is Status.GOOD


def test_a_renewal_waits_for_a_revocation_under_way_and_then_sees_it(house: House) -> None:
    certificate = house.certificate()
    at = AT + ocsp.ANSWER_LIFETIME
    with house.sessions.begin() as session:
        revoke_in(session, house, certificate, at)
        # The renewal passes the locked row over instead of signing the old status.
        assert jobs.renew_ocsp_answers(house.sessions, house.keys, at, {}) == 0
    assert (
        ask(
            house, request_for(load(certificate.der), issuing_certificate(house)), at=at
        ).certificate_status
        is Status.REVOKED
    )


def revoke_in(session: Session, house: House, certificate: Certificate, at: datetime) -> None:
    revoke.revoke(
        session,
        certificate_id=certificate.id,
        reason=RevocationReason.KEY_COMPROMISE,
        keys=house.keys,
        at=at,
        actor=CHIEF,
    )
