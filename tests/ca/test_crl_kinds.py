"""Complete, partitioned and delta lists, judged by whoever can judge them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from ca import authorities, crl, jobs, renewal, revoke
from ca.algorithm_policy import AlgorithmPolicy
from ca.crl import Scope
from ca.crl_checks import CrlCheck, load, status
from ca.errors import AuthorityPlanInvalid, CrlUnavailable
from ca.models import Authority, Certificate
from ca.models_publication import CertificateRevocationList
from ca.parsed_certificates import parse
from ca.revocation import RevocationStatus
from ca.revocation_reasons import RevocationReason
from tests.ca.gnutls import certtool
from tests.ca.house import AT, CHIEF, House
from tests.ca.linters import certificate_findings, crl_findings
from tests.ca.openssl import openssl, write_pem

# gnutls judges by the machine's clock.
LATER = max(AT + timedelta(hours=1), datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
Reason = RevocationReason


def end(house: House, certificate: Certificate, *, at: datetime = LATER) -> None:
    with house.sessions.begin() as session:
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=Reason.SUPERSEDED,
            keys=house.keys,
            at=at,
            actor=CHIEF,
        )


def pause(house: House, certificate: Certificate, *, on: bool = True, at: datetime = LATER) -> None:
    with house.sessions.begin() as session:
        change = revoke.suspend if on else revoke.restore
        change(session, certificate_id=certificate.id, keys=house.keys, at=at, actor=CHIEF)


def publish(
    house: House, scope: Scope = crl.COMPLETE, *, at: datetime = LATER
) -> CertificateRevocationList:
    with house.sessions.begin() as session:
        issuing = authorities.by_slug(session, "issuing")
        return crl.publish_scope(session, authority=issuing, scope=scope, keys=house.keys, at=at)


def shards(house: House, count: int) -> None:
    with house.sessions.begin() as session:
        crl.set_shards(
            session,
            authority=authorities.issuing(session),
            shards=count,
            keys=house.keys,
            at=AT,
            actor=CHIEF,
        )


def serials(made: CertificateRevocationList) -> set[int]:
    return {entry.serial_number for entry in x509.load_der_x509_crl(made.der)}


def number(certificate: Certificate) -> int:
    return int(certificate.serial_number, 16)


def accepted(house: House, made: CertificateRevocationList, folder: Path) -> None:
    """openssl, gnutls and the linter take the list, and openssl refuses its twin."""
    file = folder / "list.crl"
    file.write_bytes(made.der)
    with house.sessions() as session:
        issuing = authorities.by_slug(session, "issuing").certificate
    issuer = write_pem(folder / "issuer.pem", issuing)
    verified = openssl("crl", "-inform", "DER", "-in", file, "-CAfile", issuer, "-noout")
    assert verified.stderr.strip() == "verify OK"
    text = folder / "list.pem"
    text.write_bytes(x509.load_der_x509_crl(made.der).public_bytes(Encoding.PEM))
    by_gnutls = certtool("--verify-crl", "--infile", text, "--load-ca-certificate", issuer)
    assert by_gnutls.returncode == 0, by_gnutls.stdout + by_gnutls.stderr
    read = certtool("--crl-info", "--inder", "--infile", file)
    assert read.returncode == 0
    assert f"CRL Number (not critical): {made.number:02x}" in read.stdout
    assert not crl_findings(file)
    twin = bytearray(made.der)
    twin[len(twin) // 2] ^= 1
    file.write_bytes(twin)
    refused = openssl("crl", "-inform", "DER", "-in", file, "-CAfile", issuer, "-noout")
    assert "verify OK" not in refused.stderr


def test_a_delta_says_what_changed_since_its_complete_list(house: House, tmp_path: Path) -> None:
    before, held, after, untouched = (house.certificate() for _ in range(4))
    end(house, before)
    pause(house, held)
    base = publish(house)
    assert serials(base) == {number(before), number(held)}
    end(house, after)
    pause(house, held, on=False, at=LATER + timedelta(minutes=1))
    delta = publish(house, Scope(delta=True), at=LATER + timedelta(minutes=2))
    assert (delta.base_number, delta.number) == (base.number, base.number + 1)
    read = x509.load_der_x509_crl(delta.der)
    assert serials(delta) == {number(held), number(after)}
    removed = read.get_revoked_certificate_by_serial_number(number(held))
    assert removed is not None
    reason = removed.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.remove_from_crl
    accepted(house, delta, tmp_path)
    assert number(untouched) not in serials(delta)
    newer = publish(house, at=LATER + timedelta(minutes=3))
    assert serials(newer) == {number(before), number(after)}
    empty = publish(house, Scope(delta=True), at=LATER + timedelta(minutes=4))
    assert serials(empty) == set()
    accepted(house, empty, tmp_path)


def test_a_delta_misses_nothing_that_was_under_way_when_its_base_was_read(house: House) -> None:
    certificate = house.certificate()
    with house.sessions.begin() as session:
        # Begun before the base and with an earlier time, committed after it.
        revoke.revoke(
            session,
            certificate_id=certificate.id,
            reason=Reason.SUPERSEDED,
            keys=house.keys,
            at=AT + timedelta(minutes=1),
            actor=CHIEF,
        )
        base = publish(house, at=LATER)
    assert number(certificate) not in serials(base)
    delta = publish(house, Scope(delta=True), at=LATER + timedelta(days=1))
    assert number(certificate) in serials(delta)


def test_a_verifier_combines_a_complete_list_with_its_delta(house: House) -> None:
    held = house.certificate()
    pause(house, held)
    base = publish(house)
    pause(house, held, on=False, at=LATER + timedelta(minutes=1))
    delta = publish(house, Scope(delta=True), at=LATER + timedelta(minutes=2))
    assert judged(house, held, base.der) is RevocationStatus.SUSPENDED
    assert judged(house, held, base.der, delta.der) is RevocationStatus.GOOD


def judged(house: House, certificate: Certificate, *lists: bytes) -> RevocationStatus | None:
    with house.sessions() as session:
        issuer = authorities.by_slug(session, "issuing").certificate
    check = CrlCheck(
        parse(certificate.der or b""),
        parse(issuer),
        LATER + timedelta(minutes=3),
        AlgorithmPolicy(),
        legacy=False,
        trusts=lambda _: True,
    )
    loaded = [found for one in lists if (found := load(one)) is not None]
    fact = status(check, loaded, source="test")
    return fact.status if fact is not None else None


def test_new_certificates_name_their_partition_and_stand_only_in_that(
    house: House, tmp_path: Path
) -> None:
    old = house.certificate()
    shards(house, 4)
    new = [house.certificate() for _ in range(6)]
    for one in (old, *new):
        end(house, one)
    lists = {shard: publish(house, Scope(shard)) for shard in (None, 0, 1, 2, 3)}
    assert serials(lists[None]) == {number(one) for one in (old, *new)}
    for one in new:
        assert one.crl_shard == number(one) % 4
        read = x509.load_der_x509_certificate(one.der or b"")
        points = read.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        name = (points[0].full_name or [])[0]
        assert name.value.endswith(f"/pki/issuing/{one.crl_shard}.crl")
        inside = {shard for shard, made in lists.items() if number(one) in serials(made)}
        assert inside == {None, one.crl_shard}
        partition = x509.load_der_x509_crl(lists[one.crl_shard].der)
        scope = partition.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
        assert scope.critical
        assert list(scope.value.full_name or ()) == [name]
        assert judged(house, one, lists[one.crl_shard].der) is RevocationStatus.REVOKED
        other = lists[(one.crl_shard + 1) % 4]
        assert judged(house, one, other.der) is None
    (tmp_path / "new.der").write_bytes(new[0].der or b"")
    assert not certificate_findings(tmp_path / "new.der")
    accepted(house, lists[0], tmp_path)
    delta = publish(house, Scope(0, delta=True), at=LATER + timedelta(minutes=1))
    accepted(house, delta, tmp_path)


def test_openssl_finds_the_revoked_in_its_partition(house: House, tmp_path: Path) -> None:
    shards(house, 2)
    certificate, good = house.certificate(), house.certificate()
    end(house, certificate)
    made = [publish(house, Scope(shard)).der for shard in (0, 1)]
    pem = [x509.load_der_x509_crl(one).public_bytes(Encoding.PEM) for one in made]
    (tmp_path / "lists.pem").write_bytes(b"".join(pem))
    with house.sessions() as session:
        chain = authorities.certificate_chain(session, authorities.issuing(session))
    trusted = write_pem(tmp_path / "chain.pem", *chain)
    for one, verdict in ((certificate, "certificate revoked"), (good, "OK")):
        target = write_pem(tmp_path / "one.pem", one.der or b"")
        seen = openssl(
            *("verify", "-crl_check", "-extended_crl", "-CAfile", trusted),
            *("-CRLfile", tmp_path / "lists.pem"),
            *("-attime", str(int((LATER + timedelta(minutes=1)).timestamp())), target),
        )
        assert verdict in seen.stdout + seen.stderr


def test_partitions_only_grow_and_only_an_issuing_authority_has_them(house: House) -> None:
    shards(house, 4)
    for count in (3, 0, crl.MAX_SHARDS + 1):
        with pytest.raises(AuthorityPlanInvalid):
            shards(house, count)
    with house.sessions.begin() as session, pytest.raises(AuthorityPlanInvalid):
        crl.set_shards(
            session,
            authority=authorities.by_slug(session, "root"),
            shards=2,
            keys=house.keys,
            at=AT,
            actor=CHIEF,
        )
    with house.sessions() as session:
        issuing = authorities.issuing(session)
        assert crl.latest(session, issuing, Scope(3)).shard == 3
        with pytest.raises(CrlUnavailable):
            crl.latest(session, issuing, Scope(4))


def test_a_large_list_names_its_deltas_and_a_revocation_is_told_by_one(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crl, "DELTA_FROM_BYTES", 10)
    first, second = house.certificate(), house.certificate()
    end(house, first)
    base = publish(house)
    freshest = x509.load_der_x509_crl(base.der).extensions.get_extension_for_class(x509.FreshestCRL)
    name = (freshest.value[0].full_name or [])[0]
    assert name.value.endswith("/pki/issuing/delta.crl")
    accepted(house, base, tmp_path)
    end(house, second)
    with house.sessions() as session:
        issuing = authorities.issuing(session)
        assert crl.latest(session, issuing, Scope(delta=True)).base_number == base.number
    jobs.publish_crl(
        house.sessions, house.keys, LATER, {"authority_id": str(issuing.id), "shard": None}
    )
    with house.sessions() as session:
        assert crl.latest(session, issuing).number == base.number
        delta = crl.latest(session, issuing, Scope(delta=True))
    assert serials(delta) == {number(second)}
    day = LATER + jobs.CRL_INTERVAL
    assert jobs.publish_due_crls(house.sessions, house.keys, day, {}) >= 2
    with house.sessions() as session:
        assert serials(crl.latest(session, issuing)) == {number(first), number(second)}


def test_a_revoked_authority_stands_in_its_issuers_list(house: House, tmp_path: Path) -> None:
    with house.sessions.begin() as session:
        issuing = authorities.by_slug(session, "issuing")
        renewal.revoke_authority(
            session, authority=issuing, reason=Reason.CA_COMPROMISE, at=LATER, actor=CHIEF
        )
    with house.sessions.begin() as session:
        root = authorities.by_slug(session, "root")
        made = crl.publish(session, authority=root, keys=house.keys, at=LATER)
        own = session.scalars(select(Authority).where(Authority.slug == "issuing")).one()
    serial = x509.load_der_x509_certificate(own.certificate).serial_number
    assert serials(made) == {serial}
    (tmp_path / "root.crl").write_bytes(made.der)
    assert not crl_findings(tmp_path / "root.crl")
