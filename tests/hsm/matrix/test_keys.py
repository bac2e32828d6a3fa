"""Finding, making and using keys, the same on every kind of token."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, default_for, sign, verify
from hsm.errors import HsmError, MechanismUnavailable
from hsm.providers import KeyStore
from hsm.tokens import (
    certificate_request,
    generate_key,
    list_objects,
    list_tokens,
    write_certificate,
)
from tests.hsm.certificates import self_signed
from tests.tokens.devices import Device, Keys

pytestmark = pytest.mark.token

DATA = "Ủy ban nhân dân phường".encode()
THREADS = 4


def test_a_token_is_listed_with_what_is_on_it(device: Device, store: KeyStore, keys: Keys) -> None:
    (token,) = [t for t in list_tokens([device.module]) if t.serial == device.serial]
    assert token.policy is device.policy
    assert token.pin_state == "good"
    assert not token.pin_pad
    assert device.loaded.parallel is device.parallel

    names = {(line.kind, line.id) for line in list_objects(store, device.uri)}
    assert {("private", uri.id) for uri in keys.values()} <= names


def test_a_key_is_made_requested_and_certified_on_the_token(
    device: Device, store: KeyStore
) -> None:
    for algorithm in KeyAlgorithm:
        if algorithm not in device.makes:
            with pytest.raises(MechanismUnavailable):
                generate_key(store, device.uri, label="no", algorithm=algorithm)
            continue
        uri = generate_key(store, device.uri, label=f"Khóa {algorithm}", algorithm=algorithm)
        request = certificate_request(store, uri, common_name="Nguyễn Văn A")
        certificate = self_signed(store.open(uri), name="Nguyễn Văn A")
        write_certificate(store, uri, certificate=certificate.public_bytes(Encoding.DER))

        assert request.is_signature_valid
        assert request.public_key() == certificate.public_key()
        assert store.certificates(uri) == [certificate.public_bytes(Encoding.DER)]


@pytest.mark.parametrize(
    "algorithm",
    [
        SignatureAlgorithm.RSA_PKCS1_SHA256,
        SignatureAlgorithm.RSA_PSS_SHA256,
        SignatureAlgorithm.RSA_PSS_SHA512,
        SignatureAlgorithm.ECDSA_SHA256,
    ],
)
def test_each_mechanism_signs(
    device: Device, store: KeyStore, keys: Keys, algorithm: SignatureAlgorithm
) -> None:
    kind = KeyAlgorithm.RSA_2048 if algorithm.startswith("rsa") else KeyAlgorithm.P_256
    if kind not in keys:
        with pytest.raises(MechanismUnavailable):
            generate_key(store, device.uri, label="no", algorithm=kind)
        return
    key = store.open(keys[kind])

    for data in (DATA, b"", DATA * 1000):
        verify(key.public_key(), algorithm, sign(key, algorithm, data), data)


def test_many_threads_sign_with_two_keys_and_no_signature_is_wrong(
    device: Device, store: KeyStore, keys: Keys
) -> None:
    opened = [store.open(uri) for uri in keys.values()]
    each = 150 if device.parallel else 12
    start = threading.Barrier(THREADS)

    def work(thread: int) -> int:
        start.wait()
        key = opened[thread % len(opened)]
        algorithm = default_for(key.public_key())
        for number in range(each):
            data = f"{thread}/{number}".encode()
            verify(key.public_key(), algorithm, sign(key, algorithm, data), data)
        return each

    with ThreadPoolExecutor(THREADS) as pool:
        made = sum(pool.map(work, range(THREADS)))

    (health,) = store.health()
    assert made == THREADS * each
    assert health.wrong_signatures == 0
    assert health.sessions <= THREADS
    assert health.policy is device.policy


def test_a_key_that_is_not_there_is_said_so(device: Device, store: KeyStore) -> None:
    with pytest.raises(HsmError) as caught:
        store.open(device.uri.with_key(key_id=b"\x77\x77"))
    assert caught.value.code == "key_not_found"
