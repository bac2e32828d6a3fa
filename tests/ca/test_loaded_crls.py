"""Large lists: read once, found in by bytes, kept within a bound."""

from datetime import timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ca import loaded_crls
from ca.loaded_crls import KeptCrls
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
