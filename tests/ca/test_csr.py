import functools
import itertools
import math
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ca import csr, der, public_keys
from ca.errors import CsrUnacceptable, KeyUnacceptable
from ca.profiles import KeyRules
from tests.ca.house import Key, csr_builder, csr_for, ec_key

RULES = KeyRules()


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def refusal(data: bytes) -> str:
    with pytest.raises((CsrUnacceptable, KeyUnacceptable)) as caught:
        csr.parse(data, rules=RULES)
    assert caught.value.diagnostics()
    return caught.value.reason


def with_extension(extension: x509.ExtensionType) -> bytes:
    request = csr_builder().add_extension(extension, critical=False)
    return request.sign(ec_key(), hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "key",
    [ec_key(), ec.generate_private_key(ec.SECP384R1()), rsa_key()],
    ids=["p-256", "p-384", "rsa-2048"],
)
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_sound_request_is_accepted_in_both_encodings(key: Key, encoding: Encoding) -> None:
    signed = csr_builder().sign(key, hashes.SHA384())
    parsed = csr.parse(signed.public_bytes(encoding), rules=RULES)
    assert parsed.public_key == key.public_key()
    assert parsed.der == signed.public_bytes(Encoding.DER)


def test_a_short_rsa_key_is_refused() -> None:
    assert refusal(csr_for(rsa_key(1024))) == "rsa_too_small"


def test_a_huge_rsa_key_is_refused_before_its_signature_is_computed() -> None:
    public = rsa.RSAPublicNumbers(65537, (1 << 8191) + 1).public_key()
    with pytest.raises(KeyUnacceptable) as caught:
        public_keys.check_strength(public, rules=RULES)
    assert caught.value.reason == "rsa_too_large"


def test_a_small_exponent_is_refused() -> None:
    numbers = rsa.RSAPublicNumbers(3, rsa_key().public_key().public_numbers().n)
    with pytest.raises(KeyUnacceptable) as caught:
        public_keys.check_strength(numbers.public_key(), rules=RULES)
    assert caught.value.reason == "rsa_exponent"


def test_an_exponent_that_signs_too_cheaply_is_refused() -> None:
    key = rsa.generate_private_key(public_exponent=3, key_size=2048)
    assert refusal(csr_for(key)) == "rsa_exponent"


def coprime_from(start: int, step: int) -> int:
    """Return the first odd number of start, start + step, … without a small factor."""
    return next(
        n
        for n in itertools.count(start, step)
        if n % 2 and math.gcd(n, public_keys._SMALL_PRIME_PRODUCT) == 1
    )


def small_factor() -> int:
    return 751 * coprime_from((1 << 2047) // 751, 1)


def close_primes() -> int:
    first = coprime_from(1 << 1024, 1)
    return first * coprime_from(first + 1, 1)


def known_generator() -> int:
    product = math.prod(prime for prime, _ in public_keys._SUBGROUPS)
    residue = pow(65537, 12345, product)
    return coprime_from(residue + product * ((1 << 2047) // product + 1), product)


@pytest.mark.parametrize(
    ("modulus", "words"),
    [
        (small_factor, "small factor"),
        (close_primes, "close together"),
        (known_generator, "can be factored"),
    ],
)
def test_a_modulus_that_can_be_factored_is_refused(modulus: Callable[[], int], words: str) -> None:
    public = rsa.RSAPublicNumbers(65537, modulus()).public_key()
    with pytest.raises(KeyUnacceptable, match=words) as caught:
        public_keys.check_strength(public, rules=RULES)
    assert caught.value.reason == "rsa_modulus"


def test_a_curve_nobody_chose_is_refused() -> None:
    assert refusal(csr_for(ec.generate_private_key(ec.SECP256K1()))) == "curve_not_allowed"


def test_a_kind_of_key_nobody_chose_is_refused() -> None:
    signed = csr_builder().sign(ed25519.Ed25519PrivateKey.generate(), None)
    assert refusal(signed.public_bytes(Encoding.DER)) == "kind_not_allowed"


def test_a_signature_with_sha1_is_refused() -> None:
    encoded = bytearray(csr_for(rsa_key()))
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    assert encoded.count(sha256) == 1
    assert refusal(bytes(encoded.replace(sha256, sha1))) == "signature_algorithm"


def test_a_signature_by_another_key_is_refused() -> None:
    mine, other = csr_for(ec_key()), ec_key()
    parsed = x509.load_der_x509_csr(mine)
    form = Encoding.X962, PublicFormat.UncompressedPoint
    point, others = (key.public_bytes(*form) for key in (parsed.public_key(), other.public_key()))
    assert refusal(mine.replace(point, others)) == "signature_invalid"


def test_an_oversized_request_is_not_even_read() -> None:
    assert refusal(b"0" * (csr.MAX_SIZE + 1)) == "oversized"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x30\x03\x02\x01\x00", b"-----BEGIN CERTIFICATE REQUEST-----\n", b"%PDF-1.7", b"\x00"],
)
def test_what_is_no_request_is_unreadable(data: bytes) -> None:
    assert refusal(data) == "unreadable"


def test_octets_behind_a_request_are_refused() -> None:
    assert refusal(csr_for(ec_key()) + b"\x00") == "unreadable"


def test_a_request_to_be_an_authority_is_refused() -> None:
    assert refusal(with_extension(x509.BasicConstraints(ca=True, path_length=0))) == "asks_for_ca"


def test_a_request_for_other_names_is_refused() -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("chinhphu.vn")])
    assert refusal(with_extension(names)) == "name_forbidden"


def test_a_request_for_an_extension_we_do_not_certify_is_refused() -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"), b"\x05\x00")
    assert refusal(with_extension(unknown)) == "extension_not_allowed"


@pytest.mark.parametrize("name", ["Đức\x00.example", "\u202eĐức", "Đức\u200b", "a\nb"])
def test_invisible_characters_in_a_subject_are_refused(name: str) -> None:
    signed = csr_builder(name).sign(ec_key(), hashes.SHA256())
    assert refusal(signed.public_bytes(Encoding.DER)) == "name_forbidden"


def test_a_subject_with_very_many_attributes_is_refused() -> None:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{n}") for n in range(40)]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    signed = request.sign(ec_key(), hashes.SHA256())
    assert refusal(signed.public_bytes(Encoding.DER)) == "name_forbidden"


def test_a_signature_that_ends_within_an_octet_is_refused() -> None:
    sound = csr_for(ec_key())
    while sound[-1] % 2:  # the bit said to be unused has to be zero (X.690 11.2.1)
        sound = csr_for(ec_key())
    start = len(der.whole(sound).encoded) - len(der.signed_parts(sound)[2].content)
    assert sound[start] == 0
    assert refusal(sound[:start] + b"\x01" + sound[start + 1 :]) == "signature_invalid"


@given(st.data())
def test_any_damage_is_refused_in_our_own_words(data: st.DataObject) -> None:
    encoded = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(encoded) - 1))
        encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        csr.parse(bytes(encoded), rules=RULES)
    except (CsrUnacceptable, KeyUnacceptable):
        return
    assert bytes(encoded) == SOUND


SOUND = csr_for(ec_key())
