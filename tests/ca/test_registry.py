from datetime import timedelta

import pytest
from sqlalchemy.orm import Session, sessionmaker

from ca import certificate_search, devices, organizations, registry
from ca.certificate_search import SearchFilters
from ca.errors import (
    CertificateNotFound,
    DeviceNotFound,
    OrganizationNotFound,
    SearchInvalid,
)
from ca.models import CertificateKind, CertificateStatus
from tests.ca import province
from tests.ca.house import House


def test_a_certificate_is_found_by_id_serial_and_fingerprint(house: House) -> None:
    certificate = house.certificate()
    serial = certificate.serial_number
    spelled = ":".join(serial[i : i + 2] for i in range(0, len(serial), 2)).upper()
    with house.sessions() as session:
        for name in (certificate.id, str(certificate.id), f"serial:{serial}", f"serial:{spelled}"):
            assert registry.get(session, name).id == certificate.id
        fingerprint = certificate.sha256_fingerprint or ""
        assert registry.by_fingerprint(session, fingerprint).id == certificate.id


@pytest.mark.parametrize(
    "name",
    [
        "",
        "serial:",
        "serial:xyz",
        "serial:" + "f" * 41,
        "serial:00",
        "0190",
        "'; --",
        "0190b0c0-0000-7000-8000-000000000000",
    ],
)
def test_what_is_not_there_is_not_found(house: House, name: str) -> None:
    with house.sessions() as session, pytest.raises(CertificateNotFound):
        registry.get(session, name)


def test_a_name_is_found_without_diacritics_by_the_beginnings_of_its_words(house: House) -> None:
    wanted = house.issue(house.approved(house.person("Đỗ Thị Hồng Đức")))
    house.issue(house.approved(house.person("Trần Văn Dũng")))
    with house.sessions() as session:
        for name in ("duc do", "ĐỨC", "đỗ th", "hong-duc"):
            page = certificate_search.search(session, filters=SearchFilters(name=name))
            assert [c.id for c in page.items] == [wanted.id], name
        assert certificate_search.search(session, filters=SearchFilters(name="uc")).items == ()


@pytest.mark.parametrize("name", ["'", "a & b | !c", "d:*", "\\", "a' OR 1=1 --", "<->", "%_"])
def test_a_name_to_look_for_is_never_a_query_language(house: House, name: str) -> None:
    with house.sessions() as session:
        try:
            assert certificate_search.search(session, filters=SearchFilters(name=name)).items == ()
        except SearchInvalid as refusal:
            assert not any(c.isalnum() for c in name), refusal  # noqa: PT017 -- the law of it


def test_filters_narrow_and_pages_join_up(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        settled = province.settle(session)
    filters = SearchFilters(
        kind=CertificateKind.SIM, status=CertificateStatus.REVOKED, under=settled.id
    )
    with sessions() as session:
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            page = certificate_search.search(session, filters=filters, limit=10, cursor=cursor)
            found += [c.id for c in page.items]
            cursor, pages = page.next_cursor, pages + 1
        assert pages == 3
        assert len(found) == len(set(found)) == province.REVOKED[CertificateKind.SIM]
        assert found == sorted(found, reverse=True)


def test_certificates_about_to_expire_are_found_by_their_window(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        province.settle(session)
    day = province.BEGIN + timedelta(days=1826)
    window = SearchFilters(expires_from=day, expires_before=day + timedelta(hours=3))
    with sessions() as session:
        found = certificate_search.search(session, filters=window).items
        assert found
        assert all(c.not_after == day for c in found)


def test_a_certificate_is_found_by_its_holders_national_id(house: House) -> None:
    person = house.person()
    certificate = house.issue(house.approved(person))
    house.certificate()
    with house.sessions() as session:
        page = certificate_search.search(
            session, filters=SearchFilters(national_id=person.national_id)
        )
        assert [c.id for c in page.items] == [certificate.id]


def test_a_certificate_is_found_by_the_number_on_its_device(house: House) -> None:
    sim = house.sim()
    request = house.approved(house.person(), profile="sim", device_id=sim.id)
    certificate = house.issue(request)
    with house.sessions() as session:
        for number in (sim.serial_number, sim.iccid):
            page = certificate_search.search(session, filters=SearchFilters(device_serial=number))
            assert [c.id for c in page.items] == [certificate.id]


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "é", "A" * 200])
def test_a_cursor_of_somebody_elses_making_is_refused(
    sessions: sessionmaker[Session], cursor: str
) -> None:
    with sessions() as session, pytest.raises(SearchInvalid):
        certificate_search.search(session, filters=SearchFilters(), cursor=cursor)


@pytest.mark.parametrize("number", ["\x00", "\udfff"])
def test_a_number_that_cannot_be_kept_is_not_even_looked_for(
    sessions: sessionmaker[Session], number: str
) -> None:
    with sessions() as session:
        for filters in (SearchFilters(national_id=number), SearchFilters(device_serial=number)):
            with pytest.raises(SearchInvalid):
                certificate_search.search(session, filters=filters)
        with pytest.raises(OrganizationNotFound):
            organizations.by_code(session, number)
        with pytest.raises(SearchInvalid):
            organizations.listing(session, under=None, limit=1, after=number)
        with pytest.raises(DeviceNotFound):
            devices.by_serial_number(session, number)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_a_sensible_size(sessions: sessionmaker[Session], limit: int) -> None:
    with sessions() as session, pytest.raises(SearchInvalid):
        certificate_search.search(session, filters=SearchFilters(), limit=limit)
