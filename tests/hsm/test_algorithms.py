import hashlib
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from hsm.algorithms import (
    KeyAlgorithm,
    PrivateKey,
    SignatureAlgorithm,
    SigningKey,
    default_for,
    sign,
    sign_digest,
    verify,
)
from hsm.errors import MechanismUnavailable, SignatureMismatch
from hsm.software import generate_key

DATA = "Quyết định số 12".encode()


@pytest.fixture(scope="module")
def keys() -> dict[str, SigningKey]:
    return {
        "ml": mldsa.MLDSA65PrivateKey.generate(),
        "rsa": generate_key(KeyAlgorithm.RSA_2048),
        "ecdsa": generate_key(KeyAlgorithm.P_256),
        "ed25519": generate_key(KeyAlgorithm.ED25519),
    }


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_what_is_signed_verifies_and_nothing_else_does(
    algorithm: SignatureAlgorithm, keys: dict[str, SigningKey]
) -> None:
    key = keys[algorithm.partition("-")[0]]

    signature = sign(key, algorithm, DATA)

    verify(key.public_key(), algorithm, signature, DATA)
    with pytest.raises(SignatureMismatch):
        verify(key.public_key(), algorithm, signature, DATA + b" ")
    with pytest.raises(SignatureMismatch):
        verify(key.public_key(), algorithm, b"", DATA)


@pytest.mark.parametrize("algorithm", [a for a in SignatureAlgorithm if a.hash_name])
def test_signing_a_digest_is_signing_the_message(
    algorithm: SignatureAlgorithm, keys: dict[str, SigningKey]
) -> None:
    key = keys[algorithm.partition("-")[0]]
    digest = hashlib.new(str(algorithm.hash_name), DATA).digest()

    verify(key.public_key(), algorithm, sign_digest(key, algorithm, digest), DATA)
    with pytest.raises(MechanismUnavailable):
        sign_digest(key, algorithm, digest[1:])


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_a_key_of_another_kind_is_refused(
    algorithm: SignatureAlgorithm, keys: dict[str, SigningKey]
) -> None:
    for kind, key in keys.items():
        if kind != algorithm.partition("-")[0]:
            with pytest.raises(MechanismUnavailable):
                sign(key, algorithm, DATA)
            with pytest.raises(MechanismUnavailable):
                verify(key.public_key(), algorithm, b"", DATA)


def test_each_key_has_a_default_that_fits_it(keys: dict[str, SigningKey]) -> None:
    for key in (*keys.values(), ec.generate_private_key(ec.SECP384R1())):
        algorithm = default_for(key.public_key())

        verify(key.public_key(), algorithm, sign(key, algorithm, DATA), DATA)
    assert default_for(keys["ecdsa"].public_key()) is SignatureAlgorithm.ECDSA_SHA256
    assert len(get_args(PrivateKey)) == 3


def test_pss_has_a_salt_as_long_as_the_hash(keys: dict[str, SigningKey]) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - for this law alone
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415 - as above

    key = keys["rsa"]
    assert isinstance(key, rsa.RSAPrivateKey)
    signature = sign(key, SignatureAlgorithm.RSA_PSS_SHA256, DATA)

    exact = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    key.public_key().verify(signature, DATA, exact, hashes.SHA256())
