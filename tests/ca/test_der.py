from datetime import UTC, datetime

import pytest
from asn1crypto import core, x509
from hypothesis import given
from hypothesis import strategies as st

from ca import der


@given(st.integers(min_value=-(2**200), max_value=2**200))
def test_integers_are_encoded_as_the_oracle_does_and_read_back(value: int) -> None:
    encoded = der.integer(value)
    assert encoded == core.Integer(value).dump()
    assert der.read_integer(der.whole(encoded, der.INTEGER)) == value


@given(
    st.tuples(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**40), max_size=6))
)
def test_object_identifiers_survive_the_round_trip(arcs: tuple[int, int, list[int]]) -> None:
    dotted = ".".join(map(str, (arcs[0], arcs[1], *arcs[2])))
    encoded = der.object_identifier(dotted)
    assert encoded == core.ObjectIdentifier(dotted).dump()
    assert der.read_object_identifier(der.whole(encoded, der.OBJECT_IDENTIFIER)) == dotted


@given(st.datetimes(datetime(1950, 1, 1), datetime(2199, 12, 31)))  # noqa: DTZ001 -- aware below
def test_times_change_form_in_2050(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    read = x509.Time.load(der.time(moment))
    assert read.native == moment
    assert read.name == ("utc_time" if moment.year < 2050 else "general_time")


@given(st.binary(max_size=70000))
def test_octet_strings_of_every_length_are_der(content: bytes) -> None:
    assert der.octet_string(content) == core.OctetString(content).dump()


@given(st.binary(max_size=60))
def test_reading_arbitrary_bytes_gives_an_element_or_a_refusal(data: bytes) -> None:
    try:
        element = der.whole(data, data[0] if data else 0x30)
    except der.DerError:
        return
    assert element.encoded == data
    assert der.tlv(element.tag, element.content) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x00\x00",  # indefinite length
        b"\x30\x81\x01\x00",  # length not minimal
        b"\x30\x82\x00\x80" + bytes(128),  # leading zero in the length
        b"\x30\x85\x01\x00\x00\x00\x00",  # length of five octets
        b"\x30\x02\x05",  # cut off
        b"\x30\x00\x00",  # bytes after the end
        b"\x3f\x01\x00",  # multi-byte tag
    ],
)
def test_what_is_not_der_is_refused(data: bytes) -> None:
    with pytest.raises(der.DerError):
        der.whole(data)


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"\xff\x80"])
def test_integers_that_are_not_minimal_are_refused(content: bytes) -> None:
    with pytest.raises(der.DerError):
        der.read_integer(der.Element(der.INTEGER, content, b""))


def test_a_set_is_sorted() -> None:
    assert der.set_of([der.integer(2), der.integer(1)]) == der.set_of(
        [der.integer(1), der.integer(2)]
    )


ELEMENTS = st.lists(
    st.builds(der.tlv, st.sampled_from([0x02, 0x04, 0x30, 0x31, 0xA3]), st.binary(max_size=300)),
    max_size=5,
)


@given(ELEMENTS)
def test_what_was_joined_is_cut_into_the_same_elements(parts: list[bytes]) -> None:
    assert der.split(b"".join(parts)) == parts


@given(st.binary(max_size=60) | ELEMENTS.map(b"".join).flatmap(st.permutations).map(bytes))
def test_cutting_is_as_strict_as_reading(content: bytes) -> None:
    try:
        wanted = [one.encoded for one in der.children(der.Element(0x30, content, b""))]
    except der.DerError:
        with pytest.raises(der.DerError):
            der.split(content)
    else:
        assert der.split(content) == wanted
