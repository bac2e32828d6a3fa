"""Large lists: read once, found in by bytes, kept within a bound."""

from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca import der, loaded_crls
from ca.loaded_crls import KeptCrls
from ca.serial_index import index_of
from ca.validation import PathValidator
from tests.ca.hierarchy import NOW, Entity, root

ENTRIES = 100_000
_FIRST = 1 << 100


@cache
def large() -> tuple[Entity, Entity, Entity, bytes]:
    """A root, an issuing authority, a signer, and the authority's list; the signer is not on it."""
    top = root()
    issuing = top.issue_ca(key=rsa.generate_private_key(65537, 2048))
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuing.subject)
        .last_update(NOW - timedelta(hours=1))
        .next_update(NOW + timedelta(days=1))
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    builder._revoked_certificates = [
        x509.RevokedCertificateBuilder()
        .serial_number(_FIRST + number)
        .revocation_date(NOW - timedelta(days=1))
        .add_extension(x509.CRLReason(x509.ReasonFlags.superseded), critical=False)
        .build()
        for number in range(ENTRIES)
    ]
    made = builder.sign(issuing.key, hashes.SHA256()).public_bytes(Encoding.DER)
    return top, issuing, issuing.issue("Người ký"), made


def test_a_list_is_read_once_for_every_validator_of_a_process() -> None:
    top, issuing, signer, data = large()
    for copy in (data, bytes(bytearray(data))):
        verdict = PathValidator([top.der]).validate(
            signer.der, purpose="signing", at=NOW, others=[issuing.der], crls=[copy, top.crl()]
        )
        assert verdict.trusted
    first = loaded_crls.KEPT.load(data)
    assert first is not None
    assert first is loaded_crls.KEPT.load(bytes(bytearray(data)))
    assert len(first.signers) == 1


def test_every_entry_is_found_and_no_other() -> None:
    loaded = loaded_crls.load(large()[3])
    assert loaded is not None
    for number in (0, 1, ENTRIES // 2, ENTRIES - 1):
        found = loaded.entry(_FIRST + number)
        assert found is not None
        assert found.serial_number == _FIRST + number
    assert loaded.entry(_FIRST + ENTRIES) is None
    # its octets occur in the list, in a date or a name, but it is nobody's number
    assert all(loaded.entry(serial) is None for serial in range(1, 200))


class Emptied(dict[int, x509.RevokedCertificate | None]):
    """What another thread empties as soon as something is in it."""

    def __setitem__(self, serial: int, found: x509.RevokedCertificate | None) -> None:
        super().__setitem__(serial, found)
        self.clear()


def test_an_entry_is_given_though_another_thread_empties_what_is_remembered() -> None:
    loaded = loaded_crls.load(large()[3])
    assert loaded is not None
    loaded._entries = Emptied()
    assert loaded.entry(_FIRST + ENTRIES) is None
    found = loaded.entry(_FIRST)
    assert found is not None
    assert found.serial_number == _FIRST


def parts_of(data: bytes) -> tuple[list[bytes], bytes]:
    """The fields of a TBSCertList, and what comes after it."""
    content, *signed = der.signed_parts(data)
    fields = [field.encoded for field in der.children(content)]
    return fields, b"".join(part.encoded for part in signed)


REORDERED: dict[str, tuple[int, ...]] = {
    "entries twice": (0, 1, 2, 3, 4, 5, 5, 6),
    "nextUpdate after the entries": (0, 1, 2, 3, 5, 4, 6),
    "extensions twice": (0, 1, 2, 3, 4, 5, 6, 6),
    "entries after the extensions": (0, 1, 2, 3, 4, 6, 5),
    "a number at the end": (0, 1, 2, 3, 4, 5, 6, 0),
    "no thisUpdate": (0, 1, 2, 5, 6),
}


@pytest.mark.parametrize("order", REORDERED.values(), ids=REORDERED)
def test_attack_a_large_list_of_another_shape_is_no_list(order: tuple[int, ...]) -> None:
    """Its entries are not read, so what stands around them has to be what belongs there."""
    fields, signed = parts_of(large()[3])
    made = der.sequence(der.sequence(*(fields[place] for place in order)), signed)
    with pytest.raises(ValueError, match="parsing"):
        x509.load_der_x509_crl(made)
    assert loaded_crls.load(made) is None


@pytest.mark.parametrize(
    "left_out", [(), (0,), (4,), (6,), (0, 6), (0, 4, 6), (5,), (4, 5), (0, 4, 5, 6)], ids=str
)
def test_what_a_list_may_leave_out_is_left_out(
    left_out: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 1, no nextUpdate, no entries, no extensions: read in both ways it says the same."""
    fields, signed = parts_of(root().crl((77, NOW, x509.ReasonFlags.superseded)))
    kept = [field for place, field in enumerate(fields) if place not in left_out]
    made = der.sequence(der.sequence(*kept), signed)
    small = loaded_crls.load(made)
    monkeypatch.setattr(loaded_crls, "LARGE_BYTES", 0)
    framed = loaded_crls.load(made)
    assert small is not None
    assert framed is not None
    assert framed.frame is not None
    indexed = replace(framed, index=index_of(made, framed.frame), _entries={})
    for one in (small, framed, indexed):
        assert (one.entry(77) is None) is (5 in left_out)
        assert one.entry(78) is None
        assert one.crl.next_update_utc == small.crl.next_update_utc
        assert (one.number, one.issuer) == (small.number, small.issuer)


def test_lists_are_kept_up_to_a_number_of_bytes() -> None:
    lists = [root(f"Root {number}").crl() for number in range(10)]
    kept = KeptCrls(most_bytes=3 * len(lists[0]) + 50)
    first = kept.load(lists[0])
    assert kept.load(bytes(bytearray(lists[0]))) is first
    for one in lists[1:]:
        kept.load(one)
    assert kept.load(lists[0]) is not first
    assert len(kept._kept) <= 3
    assert kept._size == sum(map(len, kept._kept))


def test_what_is_no_list_is_not_kept() -> None:
    kept = KeptCrls()
    assert kept.load(b"no list") is None
    assert not kept._kept
