"""Names in certificates: one line that other programs read back, and parts for people."""

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from pdf import distinguished_names
from pdf.certificates import read_certificate
from pdf.earlier import is_personal
from pdf.plain_text import plain
from pdf.signer import SignerChain
from tests.pdf.signing_kit import person

OFFICIAL = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "UBND tỉnh Bình Phước, khối Đảng"),
        x509.NameAttribute(NameOID.TITLE, "Phó Chủ tịch"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Nguyễn Thị Hoài Thương"),
    ]
)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=16).filter(
    lambda text: plain(text) == text  # what would steer the report is shown otherwise
)


def test_a_name_is_one_line_as_rfc_4514_writes_it() -> None:
    assert distinguished_names.written(OFFICIAL.public_bytes()) == (
        "CN=Nguyễn Thị Hoài Thương,title=Phó Chủ tịch,O=UBND tỉnh Bình Phước\\, khối Đảng,C=VN"
    )


def test_a_certificate_says_who_it_is_about_in_that_line() -> None:
    certificate = read_certificate(person().certificate.public_bytes(Encoding.DER))
    assert certificate.subject_text().startswith("CN=Nguyễn Văn Trăm")


@settings(deadline=None, derandomize=True)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_what_was_written_is_read_back_and_agrees_with_another_writer(values: list[str]) -> None:
    kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.LOCALITY_NAME, NameOID.USER_ID)
    name = x509.Name(
        [
            x509.NameAttribute(kind, value, _validate=False)
            for kind, value in zip(kinds, values, strict=False)
        ]
    )
    text = distinguished_names.written(name.public_bytes())
    assert text == name.rfc4514_string()
    assert [value for _, value in distinguished_names.attributes(text)] == values[::-1]


@pytest.mark.parametrize("text", ["Common Name: A, Country: VN", "30820101", "", "=x"])
def test_other_text_has_no_parts(text: str) -> None:
    assert distinguished_names.attributes(text) == ()


@pytest.mark.parametrize("octets", [b"", b"\x30\x03\x31\x01\x30", b"\x30\x80", b"not a name"])
def test_what_is_no_name_is_shown_as_its_octets(octets: bytes) -> None:
    assert distinguished_names.written(octets) in {octets.hex(), ""}
    assert distinguished_names.common_name(octets) is None


def test_a_signer_is_known_by_a_name_of_more_octets_than_64(tmp_path: Path) -> None:
    name = "Ban Quản lý dự án đầu tư xây dựng các công trình tỉnh Bình Phước"
    file = tmp_path / "certificate.der"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-noenc", "-keyout", str(tmp_path / "key.pem"), "-outform", "DER", "-out", str(file)),
            *("-utf8", "-subj", f"/C=VN/O={name}/CN={name}"),
        ],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    chain = SignerChain(file.read_bytes())
    assert (chain.common_name, chain.organization, chain.title) == (name, name, None)
    assert not is_personal(chain.certificate)
