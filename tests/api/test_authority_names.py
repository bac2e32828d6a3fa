"""An operator names the authorities at the first run, and never again."""

from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from api import first_run
from api.errors import SettingsInvalid
from api.settings import Settings, from_environment
from api.wiring import build
from ca.errors import AuthorityPlanInvalid
from ca.models import Authority
from ca.names import MAX_COMMON_NAME, MAX_ORGANIZATION

SET = {
    "ANTIN_AUTHORITY_ORGANIZATION": "Ủy ban nhân dân thành phố Cần Thơ",
    "ANTIN_AUTHORITY_UNIT": "Trung tâm Chuyển đổi số",
    "ANTIN_AUTHORITY_IDENTIFIER": "VATVN-1800278685",
    "ANTIN_AUTHORITY_ROOT": "Gốc chứng thực Cần Thơ",
    "ANTIN_AUTHORITY_TSA": "Dấu thời gian Cần Thơ",
}


def settings_with(home: Path, given: dict[str, str]) -> Settings:
    settings = from_environment({"ANTIN_HOME": str(home), "ANTIN_PKCS11_MODULE": "", **given})
    first_run.make_home(settings)
    return settings


def certificates(settings: Settings, url: str) -> dict[str, bytes]:
    parts = build(settings, url)
    try:
        with parts.sessions() as session:
            return {row.slug: row.certificate for row in session.scalars(select(Authority))}
    finally:
        parts.close()


def named(certificate: bytes) -> list[str | bytes]:
    return [part.value for part in x509.load_der_x509_certificate(certificate).subject]


def test_names_count_at_the_first_run_and_are_told_afterwards(
    database_url: str, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path, SET)
    made = first_run.set_up(settings, database_url)
    assert made.first_run
    assert made.named_otherwise == ()
    first = certificates(settings, database_url)
    assert list(tmp_path.rglob("keys/*"))
    owner = ["VN", *(SET[f"ANTIN_AUTHORITY_{of}"] for of in ("ORGANIZATION", "UNIT", "IDENTIFIER"))]
    assert named(first["root"]) == [*owner, SET["ANTIN_AUTHORITY_ROOT"]]
    assert named(first["tsa"]) == [*owner, SET["ANTIN_AUTHORITY_TSA"]]
    assert named(first["issuing"]) == [*owner, "Tổ chức chứng thực chữ ký số Ấn Tín"]

    later = settings_with(tmp_path, SET | {"ANTIN_AUTHORITY_ROOT": "Gốc khác"})
    (told,) = first_run.set_up(later, database_url).named_otherwise
    assert told.startswith(f"CN={SET['ANTIN_AUTHORITY_ROOT']},")
    assert first_run.set_up(settings_with(tmp_path, {}), database_url).named_otherwise == ()
    assert certificates(later, database_url) == first


def test_two_authorities_of_one_name_are_refused_before_any_key_is_made(
    database_url: str, tmp_path: Path
) -> None:
    twice = {"ANTIN_AUTHORITY_ROOT": "Chứng thực", "ANTIN_AUTHORITY_ISSUING": "CHỨNG THỰC"}
    settings = settings_with(tmp_path, twice)
    with pytest.raises(AuthorityPlanInvalid, match="same name"):
        first_run.set_up(settings, database_url)
    assert not list(tmp_path.rglob("keys/*"))
    assert certificates(settings, database_url) == {}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("COUNTRY", "Việt Nam"),
        ("COUNTRY", "vn"),
        ("ORGANIZATION", "Ủ" * (MAX_ORGANIZATION + 1)),
        ("ORGANIZATION", " "),
        ("LOCALITY", "Đồng\u202eXoài"),
        ("UNIT", "Văn\nphòng"),
        ("IDENTIFIER", "3800100000"),
        ("ROOT", "Ủ" * (MAX_COMMON_NAME + 1)),
        ("TSA", "Dấu\x00"),
    ],
)
def test_a_name_that_no_certificate_can_hold_is_refused_with_its_variable(
    part: str, value: str
) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        from_environment({f"ANTIN_AUTHORITY_{part}": value})
    assert caught.value.variable == f"ANTIN_AUTHORITY_{part}"


def test_a_name_may_have_64_characters_of_any_number_of_octets() -> None:
    longest = "Ủ" * MAX_COMMON_NAME
    assert from_environment({"ANTIN_AUTHORITY_ROOT": longest}).authority.root == longest
