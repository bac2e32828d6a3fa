"""All four modules in one process and one key store, signing at the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from hsm.algorithms import KeyAlgorithm, PrivateKey, SignatureAlgorithm, sign, verify
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.secret import Secret
from tests.tokens.devices import KINDS, Device, make

pytestmark = [pytest.mark.token, pytest.mark.xdist_group("opencryptoki")]
ALGORITHM = SignatureAlgorithm.RSA_PKCS1_SHA256
EACH = 20


@pytest.fixture
def devices() -> Iterator[list[Device]]:
    with ExitStack() as stack:
        made = []
        for kind in KINDS:
            made.append(make(kind))
            stack.callback(made[-1].stop)
            made[-1].renew()
        yield made


def test_one_store_signs_on_four_modules_at_once(devices: list[Device]) -> None:
    by_serial = {device.serial: device for device in devices}

    def pin(uri: KeyURI) -> Secret:
        return by_serial[uri.serial or ""].pin

    modules = [device.module for device in devices]
    with KeyStore(modules=modules, pin_prompt=pin) as store, ThreadPoolExecutor(8) as pool:
        keys = [store.open(device.keys(store)[KeyAlgorithm.RSA_2048]) for device in devices]

        def work(key: PrivateKey) -> set[bytes]:
            made = set()
            for number in range(EACH):
                data = b"%d" % number
                signature = sign(key, ALGORITHM, data)
                verify(key.public_key(), ALGORITHM, signature, data)
                made.add(signature)
            return made

        found = list(pool.map(work, keys * 2))
        assert [len(signatures) for signatures in found] == [EACH] * 2 * len(KINDS)
        health = {one.serial: one for one in store.health()}
    assert set(health) == set(by_serial)
    assert all(one.wrong_signatures == 0 for one in health.values())
