"""Trusted lists of ETSI TS 119 612: what is read, what is refused, and what follows for trust."""

import hashlib
import json
import uuid
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from lxml import etree
from sqlalchemy import select

from ca import publication_watch, trust, trusted_list, trusted_lists
from ca.errors_trust import (
    TrustedListNotFound,
    TrustedListOutdated,
    TrustedListUnreadable,
    TrustedListUntrusted,
)
from ca.listed_terms import anchors_of
from ca.recording import Recording
from ca.trusted_list import TrustedList
from ca.trusted_list_xml import read_trusted_list
from ca.validation import PathPolicy, PathValidator, PathVerdict, RevocationRule
from db.models import AuditEntry
from tests.ca.hierarchy import NOW, YEAR, Entity, key_usage, root
from tests.ca.house import CHIEF, House
from tests.ca.trusted_lists import DAY, List, Period, Service, operator, signed, signed_otherwise

OFF = PathPolicy(revocation=RevocationRule.OFF)
LONG_AGO = NOW - 700 * DAY
OLD = (NOW - 3 * YEAR, NOW + YEAR)


def read(data: bytes, *, signer: Entity | None = None, at: datetime = NOW) -> TrustedList:
    return read_trusted_list(data, signer=(signer or operator()).der, at=at)


@pytest.fixture(scope="module")
def listed() -> Entity:
    return root("CA trong danh sách", validity=OLD)


def judge(
    made: List, target: Entity, *others: Entity, at: datetime = NOW, purpose: str = "signing"
) -> PathVerdict:
    """Judge a certificate with nothing but the list, through its signature and its XML."""
    found = read(signed(made))
    anchors = anchors_of(found.services, end=found.next_update or found.issued_at)
    validator = PathValidator(
        [encoded for encoded, _ in anchors.values()],
        policy=OFF,
        terms={mark: terms for mark, (_, terms) in anchors.items()},
    )
    return validator.validate(
        target.der,
        purpose=purpose,  # type: ignore[arg-type]
        at=at,
        others=[one.der for one in others],
    )


def of(entity: Entity, *periods: Period, kind: str = "CA/QC") -> List:
    return List(services=[Service(entity=entity, periods=periods or GRANTED, kind=kind)])


GRANTED: tuple[Period, ...] = (("granted", LONG_AGO),)
WITHDRAWN: tuple[Period, ...] = (("granted", LONG_AGO), ("withdrawn", NOW - 100 * DAY))


def test_a_list_is_read_with_its_names_dates_and_history(listed: Entity) -> None:
    found = read(signed(of(listed, *WITHDRAWN)))
    assert (found.operator, found.territory, found.sequence_number) == ("Operator", "VN", 1)
    assert found.issued_at == NOW - DAY
    assert found.next_update == NOW + 30 * DAY
    (service,) = found.services
    assert (service.provider, service.name) == ("Nhà cung cấp", "Service")
    assert service.certificates == (listed.der,)
    assert [(one.kind, one.status, one.since) for one in service.periods] == [
        ("CA/QC", "withdrawn", NOW - 100 * DAY),
        ("CA/QC", "granted", LONG_AGO),
    ]


def test_a_list_signed_by_another_program_is_read_as_well(listed: Entity) -> None:
    assert read(signed_otherwise(of(listed))).services


# --- whose word it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        (b"Svcstatus/withdrawn", b"Svcstatus/granted"),
        (b"<TSLSequenceNumber>1<", b"<TSLSequenceNumber>2<"),
        (b"2026-07-01", b"2036-07-01"),
        (b"<SchemeTerritory>VN<", b"<SchemeTerritory>VX<"),
    ],
)
def test_rejects_a_list_in_which_anything_was_changed(
    listed: Entity, what: bytes, instead: bytes
) -> None:
    data = signed(of(listed, *WITHDRAWN))
    assert what in data
    with pytest.raises(TrustedListUntrusted):
        read(data.replace(what, instead, 1))


def test_rejects_a_list_that_another_signed_although_it_brings_its_certificate(
    listed: Entity,
) -> None:
    stranger = root("Operator", key=rsa.generate_private_key(65537, 2048))
    data = signed(of(listed), by=stranger)
    assert read(data, signer=stranger).services
    with pytest.raises(TrustedListUntrusted):
        read(data)


def test_rejects_a_list_without_a_signature(listed: Entity) -> None:
    with pytest.raises(TrustedListUntrusted):
        read(of(listed).xml())


def test_rejects_a_signature_with_sha1(listed: Entity) -> None:
    with pytest.raises(TrustedListUntrusted):
        read(signed(of(listed), digest="sha1"))


def test_rejects_a_signer_whose_certificate_has_expired(listed: Entity) -> None:
    with pytest.raises(TrustedListUntrusted):
        read(signed(of(listed)), at=NOW + 2 * YEAR)


def test_attack_a_list_wrapped_around_a_signed_one_is_not_read(listed: Entity) -> None:
    """The signature goes on covering the inner list; what is around it must not count."""
    inner = etree.fromstring(signed_otherwise(of(listed, *WITHDRAWN)))
    signature = next(one for one in inner if one.tag.endswith("}Signature"))
    inner.remove(signature)
    outer = etree.fromstring(of(root("Kẻ tấn công")).xml())
    outer.set("Id", "other")
    outer.append(inner)
    outer.append(signature)
    try:
        found = read(etree.tostring(outer))
    except TrustedListUntrusted:
        return
    assert [one.certificates for one in found.services] == [(listed.der,)]


def test_attack_a_signature_over_a_part_only_does_not_vouch_for_the_list(listed: Entity) -> None:
    data = signed_otherwise(of(listed))
    moved = data.replace(b' Id="list"', b"", 1).replace(
        b"<SchemeInformation>", b'<SchemeInformation Id="list">', 1
    )
    with pytest.raises(TrustedListUntrusted):
        read(moved)


# --- hostile files --------------------------------------------------------------------------------

LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "'
    + "a" * 1000
    + '">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 if n else str()};" * 10}">' for n in range(9))
    + "]>"
)


@pytest.mark.parametrize(
    "prologue",
    [
        "<!DOCTYPE TrustServiceStatusList>",
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        LAUGHS,
    ],
)
def test_rejects_a_list_that_declares_a_document_type(listed: Entity, prologue: str) -> None:
    made = of(listed)
    made.prologue = prologue
    if "ENTITY" in prologue:
        made.territory = "&e;" if "SYSTEM" in prologue else "&a8;"
    with pytest.raises(TrustedListUnreadable):
        read(made.xml())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xml",
        b"<x/>",
        b"\x30\x82\x01\x00",
        b"<a>" * 100_000,
        "<TrustServiceStatusList xmlns='http://uri.etsi.org/02231/v2#'/>".encode("utf-16"),
    ],
)
def test_rejects_what_is_no_list(data: bytes) -> None:
    with pytest.raises((TrustedListUnreadable, TrustedListUntrusted)):
        read(data)


def test_rejects_a_list_beyond_the_limits(listed: Entity, monkeypatch: pytest.MonkeyPatch) -> None:
    data = signed(of(listed))
    monkeypatch.setattr(trusted_list, "MAX_LIST_BYTES", len(data) - 1)
    with pytest.raises(TrustedListUnreadable):
        read(data)


@pytest.mark.parametrize(
    "made",
    [List(version="3"), List(sequence="many"), List(territory="")],  # type: ignore[arg-type]
)
def test_rejects_a_signed_list_that_makes_no_sense(made: List) -> None:
    if made.territory:
        with pytest.raises(TrustedListUnreadable):
            read(signed(made))
    else:
        assert read(signed(made)).services == ()


# --- what follows for trust -----------------------------------------------------------------------


def test_certificates_below_a_granted_service_are_trusted_while_the_list_speaks(
    listed: Entity,
) -> None:
    target = listed.issue("A", validity=OLD)
    assert judge(of(listed), target).trusted
    after = judge(of(listed), target, at=NOW + 31 * DAY)
    assert after.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    assert "anchor_trusted_then" in after.messages


def test_a_withdrawn_service_is_trusted_for_what_was_proven_before(listed: Entity) -> None:
    target = listed.issue("A", validity=OLD)
    now = judge(of(listed, *WITHDRAWN), target)
    assert (now.trusted, now.sub_indication) == (False, "NO_CERTIFICATE_CHAIN_FOUND_NO_POE")
    assert judge(of(listed, *WITHDRAWN), target, at=NOW - 101 * DAY).trusted
    assert not judge(of(listed, *WITHDRAWN), target, at=NOW - 100 * DAY).trusted
    assert not judge(of(listed, *WITHDRAWN), target, at=LONG_AGO - DAY).trusted


def test_a_service_that_came_back_is_trusted_in_both_of_its_times(listed: Entity) -> None:
    target = listed.issue("A", validity=OLD)
    made = of(listed, *WITHDRAWN, ("granted", NOW - 10 * DAY))
    assert judge(made, target).trusted
    assert not judge(made, target, at=NOW - 50 * DAY).trusted
    assert judge(made, target, at=NOW - 200 * DAY).trusted


def test_older_words_for_a_good_status_count_in_the_history(listed: Entity) -> None:
    target = listed.issue("A", validity=OLD)
    made = of(listed, ("undersupervision", LONG_AGO), ("granted", NOW - DAY))
    assert judge(made, target, at=NOW - 300 * DAY).trusted


@pytest.mark.parametrize("status", ["withdrawn", "supervisionrevoked", "invented"])
def test_no_other_status_is_trusted(listed: Entity, status: str) -> None:
    verdict = judge(of(listed, (status, LONG_AGO)), listed.issue("A", validity=OLD))
    assert verdict.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


def test_a_time_stamp_service_is_trusted_for_time_stamps_only(listed: Entity) -> None:
    usage = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)
    unit = listed.issue(
        "TSU", validity=OLD, extensions=((key_usage("digital_signature"), True), usage)
    )
    made = of(unit, kind="TSA/QTST")
    assert judge(made, unit, purpose="timestamping").trusted
    assert judge(made, unit).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


def test_attack_a_listed_service_that_is_no_authority_vouches_for_nobody_else(
    listed: Entity,
) -> None:
    unit = listed.issue("Đơn vị", validity=OLD)
    below = unit.issue("A", validity=OLD)
    verdict = judge(of(unit), below)
    assert (verdict.trusted, verdict.sub_indication) == (False, "CHAIN_CONSTRAINTS_FAILURE")


def test_a_critical_extension_that_is_not_known_leaves_the_service_out(listed: Entity) -> None:
    unknown = '<Extension Critical="true"><Invented/></Extension>'
    known = '<Extension Critical="true"><Qualifications/></Extension>'
    for extension, there in ((unknown, False), (known, True)):
        service = Service(entity=listed, periods=GRANTED, extension=extension)
        assert bool(read(signed(List(services=[service]))).services) is there


def test_a_closed_list_says_nothing_of_what_came_after_it(listed: Entity) -> None:
    made = of(listed)
    made.update = None
    target = listed.issue("A", validity=OLD)
    assert judge(made, target, at=NOW - 2 * DAY).trusted
    assert not judge(made, target).trusted


# --- kept by the service --------------------------------------------------------------------------


def keep(house: House, made: List, **details: Entity) -> uuid.UUID:
    signer = details.get("signer", operator())
    with house.sessions.begin() as session:
        pem = signer.cert.public_bytes(Encoding.PEM)
        data = signed(made, by=details.get("by"))
        return trusted_lists.import_list(session, data, signer=pem, at=NOW, actor=CHIEF).id


def trusted(house: House) -> trusted_lists.Trusted:
    with house.sessions() as session:
        return trusted_lists.trusted(session)


def test_an_imported_list_gives_anchors_with_terms_beside_our_own(
    house: House, listed: Entity
) -> None:
    keep(house, of(listed))
    found = trusted(house)
    assert found.anchors[-1] == listed.der
    ((mark, terms),) = found.terms.items()
    assert mark == hashlib.sha256(listed.der).digest()
    assert (terms.signing[0].since, terms.signing[0].until) == (LONG_AGO, NOW + 30 * DAY)
    assert terms.timestamping == ()


def test_an_anchor_that_was_added_by_hand_is_trusted_always_whatever_a_list_says(
    house: House, listed: Entity
) -> None:
    with house.sessions.begin() as session:
        trust.add_anchor(session, listed.der, at=NOW, actor=CHIEF)
    keep(house, of(listed, *WITHDRAWN))
    found = trusted(house)
    assert found.anchors.count(listed.der) == 1
    assert not found.terms


def test_a_newer_list_takes_the_place_of_the_old_one_and_never_the_other_way(
    house: House, listed: Entity
) -> None:
    first = keep(house, of(listed))
    newer = of(listed, *WITHDRAWN)
    newer.sequence = 2
    assert keep(house, newer) == first
    (terms,) = trusted(house).terms.values()
    assert terms.signing[-1].until == NOW - 100 * DAY
    with pytest.raises(TrustedListOutdated):
        keep(house, of(listed))
    assert keep(house, newer) == first  # the same file again is no step back


def test_a_list_past_its_next_update_is_refused(house: House, listed: Entity) -> None:
    made = of(listed)
    made.update = NOW - timedelta(seconds=1)
    with pytest.raises(TrustedListOutdated):
        keep(house, made)
    made.update = None
    with pytest.raises(TrustedListOutdated):
        keep(house, made)


def test_importing_and_removing_lists_is_audited(house: House, listed: Entity) -> None:
    made = keep(house, of(listed))
    with house.sessions.begin() as session:
        trusted_lists.remove_list(session, made, at=NOW, actor=CHIEF)
    assert not trusted(house).terms
    with house.sessions() as session:
        asked = select(AuditEntry.action).where(AuditEntry.object_type == "trusted_list")
        actions = session.scalars(asked).all()
    assert sorted(actions) == ["trusted_list.import", "trusted_list.remove"]
    with house.sessions() as session, pytest.raises(TrustedListNotFound):
        trusted_lists.remove_list(session, made, at=NOW, actor=CHIEF)


def test_a_list_that_runs_out_raises_an_alarm_until_a_newer_one_is_there(
    house: House, listed: Entity
) -> None:
    def alarms(at: datetime) -> list[str]:
        with house.sessions.begin() as session:
            found = publication_watch.watch(session, at=at)
            return [one.kind for one in found if one.subject == "VN Operator"]

    keep(house, of(listed))
    end = NOW + 30 * DAY
    assert alarms(end - 8 * DAY) == []
    assert alarms(end - DAY) == ["trusted_list_near_end"]
    assert alarms(end + DAY) == ["trusted_list_past_end"]
    newer = of(listed)
    newer.sequence, newer.update = 2, end + 90 * DAY
    keep(house, newer)
    assert alarms(end + DAY) == []


def test_a_verdict_under_a_list_is_repeated_from_its_recording(listed: Entity) -> None:
    found = read(signed(of(listed, *WITHDRAWN)))
    given = trusted_lists.trusted_by([(found, NOW + 30 * DAY)], own=[])
    recording = Recording(given.anchors, (), OFF, given.terms)
    target = listed.issue("A", validity=OLD)
    first = recording.validator([]).validate(target.der, purpose="signing", at=NOW)
    assert first.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND_NO_POE"
    manifest = json.loads(json.dumps(recording.manifest()))
    again = Recording.of(manifest, recording.blobs).repeating()
    assert again.validate(target.der, purpose="signing", at=NOW) == first
