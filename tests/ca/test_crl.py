from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest
from cryptography import x509
from sqlalchemy import delete, select

from ca import authorities, crl, jobs, revoke
from ca.crl import CrlFacts
from ca.errors import CrlUnavailable
from ca.models_publication import CertificateRevocationList
from ca.revocation_reasons import RevocationReason
from db.models import AuditEntry
from tests.ca.house import AT, CHIEF, House
from tests.ca.linters import crl_findings
from tests.ca.openssl import openssl, write_pem

LATER = AT + timedelta(days=2)


def publish(house: House, *, at: datetime = LATER) -> x509.CertificateRevocationList:
    with house.sessions.begin() as session:
        made = crl.publish(session, authority=authorities.issuing(session), keys=house.keys, at=at)
        return x509.load_der_x509_crl(made.der)


def revoke_one(house: House, reason: RevocationReason, **details: object) -> int:
    certificate = house.certificate()
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=reason,
            keys=house.keys,
            at=LATER - timedelta(hours=1),
            actor=CHIEF,
            **details,  # type: ignore[arg-type]
        )
    return int(certificate.serial_number, 16)


@pytest.mark.parametrize("reason", [one for one in RevocationReason if one != "certificate_hold"])
def test_an_entry_says_serial_time_and_reason(reason: RevocationReason) -> None:
    at = datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)
    entry = crl.entry_der(2**159 - 1, at, reason, AT)
    read = read_entry(entry)
    assert (read.serial_number, read.revocation_date_utc) == (2**159 - 1, at)
    invalid = read.extensions.get_extension_for_class(x509.InvalidityDate).value
    assert invalid.invalidity_date_utc == AT
    if reason is RevocationReason.UNSPECIFIED:
        assert len(read.extensions) == 1
    else:
        said = read.extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert said.name == reason.value


def read_entry(entry: bytes) -> x509.RevokedCertificate:
    from ca import der  # noqa: PLC0415 -- only to wrap the entry into a CRL that can be parsed

    algorithm = der.sequence(der.object_identifier("1.2.840.10045.4.3.2"))
    body = der.sequence(
        der.integer(1),
        algorithm,
        x509.Name([]).public_bytes(),
        der.time(AT),
        der.sequence(entry),
    )
    whole = der.sequence(body, algorithm, der.bit_string(b"\x00"))
    return next(iter(x509.load_der_x509_crl(whole)))


def test_a_plain_entry_has_no_extensions() -> None:
    assert len(read_entry(crl.entry_der(7, AT)).extensions) == 0


def test_openssl_and_pkilint_accept_a_crl_and_refuse_its_twin(house: House, tmp_path: Path) -> None:
    serial = revoke_one(house, RevocationReason.KEY_COMPROMISE, invalidity_at=AT)
    made = publish(house)
    with house.sessions() as session:
        issuing = authorities.issuing(session)
        encoded = crl.latest(session, issuing).der
        issuer = write_pem(tmp_path / "issuing.pem", issuing.certificate)
    file = tmp_path / "issuing.crl"
    file.write_bytes(encoded)
    seen = openssl("crl", "-inform", "DER", "-in", file, "-noout", "-text", "-CAfile", issuer)
    assert "verify OK" in seen.stderr
    assert f"{serial:040X}" in seen.stdout
    assert "Key Compromise" in seen.stdout
    assert not crl_findings(file)
    assert made.is_signature_valid(x509.load_pem_x509_certificate(issuer.read_bytes()).public_key())  # type: ignore[arg-type]
    twin = bytearray(encoded)
    twin[len(twin) // 2] ^= 1
    file.write_bytes(twin)
    refused = openssl("crl", "-inform", "DER", "-in", file, "-noout", "-CAfile", issuer)
    assert "verify OK" not in refused.stderr


def test_openssl_verify_learns_from_our_crl_that_a_certificate_is_revoked(
    house: House, tmp_path: Path
) -> None:
    good = house.certificate()
    bad = house.certificate()
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=bad.id,
            reason=RevocationReason.SUPERSEDED,
            keys=house.keys,
            at=LATER,
            actor=CHIEF,
        )
    publish(house)
    with house.sessions() as session:
        issuing = authorities.issuing(session)
        chain = authorities.certificate_chain(session, issuing)
        crls = [
            x509.load_der_x509_crl(crl.latest(session, one).der)
            for one in (issuing, authorities.by_slug(session, "root"))
        ]
    trusted = write_pem(tmp_path / "chain.pem", *chain)
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 -- one use

    lists = tmp_path / "lists.pem"
    lists.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in crls))
    verdicts = []
    for certificate in (good, bad):
        target = write_pem(tmp_path / "target.pem", certificate.der or b"")
        at = str(int((LATER + timedelta(hours=1)).timestamp()))
        seen = openssl(
            *("verify", "-attime", at, "-crl_check_all", "-CAfile", trusted),
            *("-CRLfile", lists, target),
        )
        verdicts.append((seen.returncode, "certificate revoked" in seen.stderr))
    assert verdicts == [(0, False), (2, True)]


def test_numbers_rise_by_one_and_each_list_is_kept(house: House) -> None:
    numbers = [
        publish(house, at=LATER + timedelta(hours=hour))
        .extensions.get_extension_for_class(x509.CRLNumber)
        .value.crl_number
        for hour in range(3)
    ]
    assert numbers == [2, 3, 4]
    with house.sessions() as session:
        kept = session.scalars(
            select(CertificateRevocationList.number)
            .where(CertificateRevocationList.authority_id == authorities.issuing(session).id)
            .order_by(CertificateRevocationList.number)
        ).all()
        entries = session.scalars(
            select(AuditEntry.action).where(AuditEntry.action == "crl.publish")
        ).all()
    assert list(kept) == [1, 2, 3, 4]
    assert len(entries) == 5  # the root's first one too


def test_processes_that_publish_at_once_never_give_out_a_number_twice(house: House) -> None:
    together = Barrier(4)
    found: list[int] = []

    def run() -> None:
        together.wait()
        made = publish(house)
        found.append(made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)

    threads = [Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [2, 3, 4, 5]


def test_a_suspended_certificate_is_listed_on_hold_and_a_restored_one_is_not(house: House) -> None:
    certificate = house.certificate()
    serial = int(certificate.serial_number, 16)
    with house.sessions.begin() as session:
        revoke.suspend(
            session, certificate_id=certificate.id, keys=house.keys, at=LATER, actor=CHIEF
        )
    entry = publish(house).get_revoked_certificate_by_serial_number(serial)
    assert entry is not None
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.certificate_hold
    with house.sessions.begin() as session:
        revoke.restore(
            session,
            certificate_id=certificate.id,
            keys=house.keys,
            at=LATER + timedelta(hours=1),
            actor=CHIEF,
        )
    assert publish(house).get_revoked_certificate_by_serial_number(serial) is None


def test_an_expired_certificate_stays_listed_and_the_list_says_since_when(house: House) -> None:
    serial = revoke_one(house, RevocationReason.KEY_COMPROMISE)
    made = publish(house, at=AT + timedelta(days=9 * 365))
    assert made.get_revoked_certificate_by_serial_number(serial) is not None
    since = made.extensions.get_extension_for_oid(x509.ObjectIdentifier("2.5.29.60"))
    assert since.value.public_bytes().endswith(b"Z")  # type: ignore[attr-defined]
    assert not since.critical


def test_an_empty_list_has_no_list_of_entries(house: House) -> None:
    assert list(publish(house)) == []


def test_a_list_of_a_hundred_thousand_is_read_by_openssl(house: House, tmp_path: Path) -> None:
    with house.sessions() as session:
        signer = authorities.signer(authorities.issuing(session), keys=house.keys)
    entries = b"".join(
        crl.entry_der(2**150 + number, AT, RevocationReason.SUPERSEDED) for number in range(100_000)
    )
    facts = CrlFacts(7, AT, AT + timedelta(days=7))
    file = tmp_path / "large.crl"
    file.write_bytes(crl.build(signer, facts=facts, entries=entries))
    issuer = write_pem(tmp_path / "issuing.pem", signer.certificate_der)
    seen = openssl("crl", "-inform", "DER", "-in", file, "-noout", "-crlnumber", "-CAfile", issuer)
    assert "verify OK" in seen.stderr
    assert "crlNumber=0x07" in seen.stdout


def test_before_the_first_list_there_is_none(house: House) -> None:
    with house.sessions() as session:
        session.execute(delete(CertificateRevocationList))
        with pytest.raises(CrlUnavailable):
            crl.latest(session, authorities.issuing(session))


def test_the_job_publishes_for_the_authority_it_names(house: House) -> None:
    with house.sessions() as session:
        issuing = authorities.issuing(session)
    numbers = jobs.publish_crl(house.sessions, house.keys, LATER, {"authority_id": str(issuing.id)})
    assert numbers == [2]


def test_lists_are_renewed_daily_and_not_more_often(house: House) -> None:
    made = [
        jobs.publish_due_crls(house.sessions, house.keys, at, {})
        for at in (AT, AT + timedelta(hours=1), AT + timedelta(hours=21))
    ]
    assert made == [2, 0, 2]
