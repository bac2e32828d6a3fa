from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from ca import der, distinguished_names
from tests.ca.openssl import openssl

KINDS = (
    NameOID.ORGANIZATION_NAME,
    NameOID.ORGANIZATIONAL_UNIT_NAME,
    NameOID.ORGANIZATION_IDENTIFIER,
    NameOID.SURNAME,
    NameOID.COMMON_NAME,
)
"""Those whose values are UTF8String."""
LONG = "Ban Quản lý dự án đầu tư xây dựng các công trình tỉnh Bình Phước"
"""64 characters, 86 octets of UTF-8."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16)
SHORT = st.lists(
    st.one_of(
        st.tuples(st.just(NameOID.COUNTRY_NAME), st.sampled_from(["VN", "LA"])),
        st.tuples(st.just(NameOID.SERIAL_NUMBER), st.text("0123456789abcdef", min_size=1)),
        st.tuples(st.sampled_from(KINDS), TEXTS),
    ),
    max_size=8,
)


@given(SHORT)
@example([(NameOID.COMMON_NAME, " ")])
@example([(NameOID.COMMON_NAME, "  #")])
@example([(NameOID.COMMON_NAME, '# +,;<>\\"\0 ')])
def test_a_name_is_encoded_and_worded_as_a_certificate_builder_does_it(
    pairs: list[tuple[x509.ObjectIdentifier, str]],
) -> None:
    ours = distinguished_names.write(pairs)
    built = x509.Name([x509.NameAttribute(kind, text) for kind, text in pairs])
    assert ours.encoded == built.public_bytes()
    assert ours.rfc4514() == built.rfc4514_string()
    assert [(one.kind, one.value) for one in ours] == pairs


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.text("aăựễ ,Đ1", max_size=99)), max_size=8))
def test_what_is_written_is_read_again_however_long(
    pairs: list[tuple[x509.ObjectIdentifier, str]],
) -> None:
    name = distinguished_names.write(pairs)
    assert distinguished_names.read(name.encoded) == name


@given(st.binary(max_size=64))
def test_bytes_that_are_no_name_are_der_errors_and_nothing_else(data: bytes) -> None:
    try:
        name = distinguished_names.read(data)
    except der.DerError:
        return
    assert name.encoded == data
    name.rfc4514()


def attribute(kind: x509.ObjectIdentifier, tag: int, content: bytes) -> bytes:
    oid = der.object_identifier(kind.dotted_string)
    return der.sequence(oid, der.tlv(tag, content))


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        (0x0C, LONG.encode()),
        (0x1E, LONG.encode("utf-16-be")),
        (0x1C, LONG.encode("utf-32-be")),
    ],
    ids=["utf8", "bmp", "universal"],
)
def test_every_kind_of_string_is_read_as_its_text(tag: int, content: bytes) -> None:
    member = attribute(NameOID.COMMON_NAME, tag, content)
    name = distinguished_names.read(der.sequence(der.set_of([member])))
    assert name.texts(NameOID.COMMON_NAME) == (LONG,)


def test_attributes_of_one_part_are_joined_and_what_is_no_text_is_written_as_octets() -> None:
    both = der.set_of(
        [
            attribute(NameOID.COMMON_NAME, 0x13, b"A"),
            attribute(NameOID.X500_UNIQUE_IDENTIFIER, der.BIT_STRING, b"\x00\x01"),
        ]
    )
    broken = der.set_of([attribute(NameOID.ORGANIZATION_NAME, 0x0C, b"\xff")])
    name = distinguished_names.read(der.sequence(broken, both))
    assert name.rfc4514() == "CN=A+2.5.4.45=#03020001,O=#0c01ff"
    assert name.texts(NameOID.ORGANIZATION_NAME) == ()
    assert not name.legible
    assert distinguished_names.read(der.sequence(both)).legible


@pytest.mark.parametrize(
    "encoded",
    [
        der.sequence(der.sequence()),
        der.sequence(der.set_of([der.sequence()])),
        der.sequence(der.set_of([der.sequence(der.NULL, der.NULL, der.NULL)])),
        der.sequence(der.set_of([der.sequence(der.NULL, der.NULL)])),
        der.sequence() + b"\x00",
        b"",
    ],
)
def test_what_is_no_name_is_refused(encoded: bytes) -> None:
    with pytest.raises(der.DerError):
        distinguished_names.read(encoded)


def test_openssl_reads_a_long_name_as_it_was_written(tmp_path: Path) -> None:
    name = distinguished_names.write([(NameOID.COUNTRY_NAME, "VN"), (NameOID.COMMON_NAME, LONG)])
    file = tmp_path / "name.der"
    file.write_bytes(name.encoded)
    seen = openssl("asn1parse", "-inform", "DER", "-in", file)
    kinds = [line.rpartition("prim: ")[2].split(":", 1) for line in seen.stdout.splitlines()]
    strings = [(kind.strip(), *rest) for kind, *rest in kinds if "STRING" in kind]
    assert strings == [("PRINTABLESTRING", "VN"), ("UTF8STRING", LONG)]
