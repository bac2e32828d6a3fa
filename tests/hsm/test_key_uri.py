from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.errors import HsmError, KeyUriInvalid
from hsm.key_uri import MAX_URI_LENGTH, KeyScheme, KeyURI

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["manufacturer", "model", "serial", "token", "object"])


@st.composite
def token_uris(draw: st.DrawFn) -> KeyURI:
    return KeyURI(
        scheme=KeyScheme.PKCS11,
        attributes=draw(st.dictionaries(NAMES, TEXT)),
        id=draw(st.none() | st.binary(max_size=20)),
        module_path=draw(st.none() | TEXT),
        pin_source=draw(st.none() | TEXT.map("file:/{}".format)),
    )


@st.composite
def other_uris(draw: st.DrawFn) -> KeyURI:
    return KeyURI(
        scheme=draw(st.sampled_from([s for s in KeyScheme if s is not KeyScheme.PKCS11])),
        location=draw(TEXT.filter(lambda text: text and "\0" not in text)),
        pin_source=draw(st.none() | TEXT.map("env:X{}".format)),
    )


@given(token_uris() | other_uris())
def test_parsing_what_was_rendered_gives_the_same_uri(uri: KeyURI) -> None:
    again = KeyURI.parse(str(uri))

    assert again == uri
    assert hash(again) == hash(uri)
    assert str(again) == str(uri)


@given(st.text() | st.text().map("pkcs11:{}".format) | st.text().map("soft:{}".format))
def test_any_text_parses_or_is_refused_as_an_invalid_uri(text: str) -> None:
    try:
        uri = KeyURI.parse(text)
    except KeyUriInvalid:
        return
    assert KeyURI.parse(str(uri)) == uri


def test_the_examples_of_rfc_7512_are_read() -> None:
    uri = KeyURI.parse(
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;"
        "model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial="
        "?pin-source=file:/etc/token_pin"
    )

    label = "The Software PKCS#11 Softtoken"
    assert uri.token == label
    assert uri.attributes["manufacturer"] == "Snake Oil, Inc."
    assert uri.object == "my-certificate"
    assert uri.id == bytes.fromhex("69953e5cf4bdec91")
    assert uri.serial == ""
    assert uri.pin_source == "file:/etc/token_pin"
    assert KeyURI.parse("pkcs11:").attributes == {}
    assert KeyURI.parse("pkcs11:object=my-key;type=public?module-name=opensc").module_name


def test_two_spellings_of_one_uri_are_equal() -> None:
    one = KeyURI.parse("pkcs11:id=%41%6b;token=Ca")
    other = KeyURI.parse("PKCS11:token=%43a;id=Ak")

    assert one == other
    assert len({one, other}) == 1


def test_vietnamese_labels_survive_percent_encoding() -> None:
    label = "Ủy ban nhân dân"
    uri = KeyURI.for_token(serial="01", label=label).with_key(key_id=b"\x00;", label="Khóa ký")

    assert str(uri).isascii()
    assert KeyURI.parse(str(uri)).token == label
    assert KeyURI.parse(str(uri)).object == "Khóa ký"
    assert uri.token_only().object is None
    assert uri.token_only().serial == "01"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begin with"),
        ("pkcs11", "percent-encoded"),
        ("http://example.vn", "begin with"),
        ("/var/key.p12", "begin with"),
        ("pkcs11:token=a?pin-value=123456", "pin-value"),
        ("pkcs11:token=a;pin-value=123456", "pin-value"),
        ("soft:/k.p12?pin-value=123456", "pin-value"),
        ("pkcs11:token=a;token=b", "twice"),
        ("pkcs11:id=%01;id=%02", "twice"),
        ("pkcs11:token=a?pin-source=file:/a&pin-source=file:/b", "twice"),
        ("pkcs11:colour=red", "unknown attribute"),
        ("pkcs11:token=a?colour=red", "unknown option"),
        ("pkcs11:token", "without '='"),
        ("pkcs11:token=a;;serial=1", "without '='"),
        ("pkcs11:token=a b", "percent-encoded"),
        ("pkcs11:token=%4", "percent-encoded"),
        ("pkcs11:token=%zz", "percent-encoded"),
        ("pkcs11:token=Ủy", "percent-encoded"),
        ("pkcs11:token=%ff", "UTF-8"),
        ("pkcs11:type=secret", "type must be"),
        ("pkcs11:slot-id=0x1", "slot-id"),
        ("pkcs11:slot-id=%D9%A3", "slot-id"),
        ("pkcs11:token=a?pin-source=|/bin/cat%20pin", "pin-source"),
        ("pkcs11:token=a?pin-source=/etc/pin", "pin-source"),
        ("pkcs11:token=a?module-name=x&module-path=/x", "both"),
        ("soft:", "which key"),
        ("holder:", "which key"),
        ("soft:/a%00b", "which key"),
        ("soft:/a?module-path=/m", "no option but"),
        ("pkcs11:token=" + "a" * MAX_URI_LENGTH, "longer"),
    ],
)
def test_a_uri_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(KeyUriInvalid, match=why) as caught:
        KeyURI.parse(text)

    assert "123456" not in str(caught.value)
    assert isinstance(caught.value, HsmError)


def test_soft_and_holder_uris_name_a_file_and_a_person() -> None:
    soft = KeyURI.parse("soft:/var/l%C6%B0u/key.p12?pin-source=file:/run/pin")

    assert soft.location == "/var/lưu/key.p12"
    assert soft.answers_now
    assert KeyURI.for_file(Path("/var/lưu/key.p12"), pin_source="file:/run/pin") == soft
    assert not KeyURI.parse("holder:nguyen.van.a").answers_now
    assert KeyURI.parse("csc:remote/key-1").location == "remote/key-1"
    assert KeyURI.parse("sim:+84912345678").location == "+84912345678"
