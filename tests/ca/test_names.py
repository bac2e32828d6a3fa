import sys
import unicodedata

import pytest
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ca import names, profiles
from ca.errors import ProfileUnknown, SubjectInvalid
from ca.models import CertificateKind, RequestKind
from ca.names import Subject
from ca.profiles import ValidityTerm
from tests.ca.house import AT

PERSON = Subject(
    common_name="Đỗ Thị Hồng Đức",
    given_name="Thị Hồng Đức",
    surname="Đỗ",
    serial_number="0190b0c0",
    organization="Ủy ban nhân dân xã Bù Gia Mập",
)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Đỗ Thị Hồng Đức", "do thi hong duc"),
        ("ỦY BAN NHÂN DÂN", "uy ban nhan dan"),
        ("Nguyễn  Văn-A (M)", "nguyen van a m"),
        ("Ðức", "duc"),
        ("000.00.14.H10", "000 00 14 h10"),
    ],
)
def test_a_name_is_found_without_diacritics(name: str, key: str) -> None:
    assert names.fold(name) == key


@given(st.text())
def test_folding_twice_changes_nothing_more(name: str) -> None:
    once = names.fold(name)
    assert names.fold(once) == once


@given(st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyỷựợặẫ ", min_size=1))
def test_composed_and_decomposed_writing_are_the_same_name(name: str) -> None:
    decomposed = unicodedata.normalize("NFD", name)
    assert names.fold(name) == names.fold(decomposed)
    if name.strip():
        assert names.clean(decomposed, attribute="x", maximum=999) == names.clean(
            name, attribute="x", maximum=999
        )


def test_a_common_name_is_as_long_as_its_characters_whatever_octets_they_take() -> None:
    longest = "ự" * names.MAX_COMMON_NAME
    assert names.common_name(names.build(Subject(common_name=longest))) == longest
    with pytest.raises(SubjectInvalid, match="64 characters"):
        names.build(Subject(common_name=longest + "a"))


@pytest.mark.parametrize(
    "name", ["", "   ", "a\x00b", "a\u202eb", "a\u200bb", "a\ue000", "a\nb", "a\u2028b", "x" * 65]
)
def test_a_name_that_two_readers_could_see_differently_is_refused(name: str) -> None:
    with pytest.raises(SubjectInvalid) as caught:
        names.clean(name, attribute="common_name", maximum=64)
    assert caught.value.attribute == "common_name"


def test_a_subject_is_written_from_the_country_inwards_in_nfc() -> None:
    decomposed = unicodedata.normalize("NFD", PERSON.common_name)
    name = names.build(Subject(**(vars(PERSON) | {"common_name": decomposed})))
    assert [attribute.kind for attribute in name] == [
        NameOID.COUNTRY_NAME,
        NameOID.ORGANIZATION_NAME,
        NameOID.SURNAME,
        NameOID.GIVEN_NAME,
        NameOID.SERIAL_NUMBER,
        NameOID.COMMON_NAME,
    ]
    assert names.common_name(name) == PERSON.common_name


def test_a_profile_wants_what_it_requires_and_nothing_it_does_not_know() -> None:
    profiles.check_subject(profiles.PERSONAL, PERSON)
    without = Subject(**(vars(PERSON) | {"surname": None}))
    with pytest.raises(SubjectInvalid, match="surname"):
        profiles.check_subject(profiles.PERSONAL, without)
    more = Subject(**(vars(PERSON) | {"organization_identifier": "VATVN-1"}))
    with pytest.raises(SubjectInvalid, match="organization_identifier"):
        profiles.check_subject(profiles.PERSONAL, more)


def test_a_profile_is_found_by_name_and_by_version() -> None:
    assert profiles.get("personal") is profiles.get("personal@1") is profiles.PERSONAL
    for unknown in ("personal@9", "root", "", "personal@"):
        if unknown == "personal@":
            assert profiles.get(unknown) is profiles.PERSONAL
        else:
            with pytest.raises(ProfileUnknown):
                profiles.get(unknown)


@pytest.mark.parametrize("kind", CertificateKind)
def test_every_kind_has_a_profile(kind: CertificateKind) -> None:
    assert profiles.for_kind(kind).kind is kind


def test_a_term_of_policy_counts_from_its_day_on() -> None:
    kinds, requests = frozenset(CertificateKind), frozenset(RequestKind)
    terms = (
        ValidityTerm(kinds, requests, 2, None, AT, "old"),
        ValidityTerm(kinds, requests, 1, AT, None, "new"),
    )

    def years(at_offset_days: int) -> int:
        from_, to = profiles.validity(
            profiles.SIM,
            request=RequestKind.NEW,
            at=AT.replace(day=AT.day + at_offset_days),
            issuer_not_after=AT.replace(year=2050),
            terms=terms,
        )
        return to.year - from_.year

    assert (years(-1), years(0), years(1)) == (2, 1, 1)
    with pytest.raises(ProfileUnknown):
        profiles.validity(
            profiles.SIM,
            request=RequestKind.NEW,
            at=AT,
            issuer_not_after=AT.replace(year=2050),
            terms=terms[:1],
        )


def test_a_certificate_of_the_leap_day_ends_in_february() -> None:
    leap = AT.replace(year=2028, month=2, day=29)
    _, end = profiles.validity(
        profiles.PERSONAL,
        request=RequestKind.NEW,
        at=leap,
        issuer_not_after=AT.replace(year=2050),
    )
    assert (end.year, end.month, end.day) == (2033, 2, 28)


def test_a_name_is_written_with_words_for_its_attributes() -> None:
    subject = Subject(
        common_name="Đỗ Thị Hồng Đức",
        given_name="Thị Hồng Đức",
        surname="Đỗ",
        serial_number="0190b0c0",
        organization="Sở Nội vụ, tỉnh Bình Phước",
        organization_identifier="MD:VN-000.00.14.H10",
        title="Giám đốc",
    )
    assert names.written(names.build(subject)) == (
        "CN=Đỗ Thị Hồng Đức,serialNumber=0190b0c0,givenName=Thị Hồng Đức,surname=Đỗ,"
        "title=Giám đốc,organizationIdentifier=MD:VN-000.00.14.H10,"
        "O=Sở Nội vụ\\, tỉnh Bình Phước,C=VN"
    )


def test_every_forbidden_character_is_one_that_cannot_be_printed() -> None:
    letters = (chr(code) for code in range(sys.maxunicode + 1))
    forbidden = names._FORBIDDEN_CATEGORIES
    assert not [c for c in letters if unicodedata.category(c) in forbidden and c.isprintable()]
