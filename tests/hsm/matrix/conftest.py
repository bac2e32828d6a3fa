from collections.abc import Iterator

import pytest

from hsm.providers import KeyStore
from tests.tokens.devices import KINDS, Device, Keys, make


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(kind)) for kind in KINDS],
)
def kind_of_device(request: pytest.FixtureRequest) -> Iterator[Device]:
    device = make(request.param)
    yield device
    device.stop()


@pytest.fixture
def device(kind_of_device: Device) -> Device:
    """Each kind of token in turn, in its first state."""
    kind_of_device.renew()
    return kind_of_device


@pytest.fixture
def store(device: Device) -> Iterator[KeyStore]:
    with device.store() as opened:
        yield opened


@pytest.fixture
def keys(device: Device, store: KeyStore) -> Keys:
    return device.keys(store)
