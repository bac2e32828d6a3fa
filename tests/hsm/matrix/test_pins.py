"""PINs that are wrong, locked, unlocked and changed, on every kind of token."""

import gc

import pytest

from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, sign, verify
from hsm.errors import PinIncorrect, PinLocked, PinUnsuitable
from hsm.key_uri import KeyURI
from hsm.pin_changes import PinSet, change_pin, unlock
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.tokens import list_tokens
from tests.tokens.devices import Device, Keys

pytestmark = pytest.mark.token

ALGORITHM = SignatureAlgorithm.RSA_PKCS1_SHA256
NEW = Secret("135724")


def signs(store: KeyStore, uri: KeyURI, pin: Secret | None = None) -> None:
    key = store.open(uri, pin=pin)
    verify(key.public_key(), ALGORITHM, sign(key, ALGORITHM, b"data"), b"data")


def pin_state(device: Device) -> str:
    (token,) = [t for t in list_tokens([device.module]) if t.serial == device.serial]
    return token.pin_state


@pytest.fixture
def uri(store: KeyStore, keys: Keys) -> KeyURI:
    store.close()  # the tests of this file log in by themselves
    return keys[KeyAlgorithm.RSA_2048]


def test_wrong_pins_tell_how_many_tries_are_left_and_then_lock(
    device: Device, store: KeyStore, uri: KeyURI
) -> None:
    said = []
    for number in range(device.locks_after or 5):
        with pytest.raises((PinIncorrect, PinLocked)) as caught:
            store.open(uri, pin=Secret(f"00000{number}"))
        said.append(getattr(caught.value, "tries_left", "locked"))

    if device.locks_after is None:
        assert set(said) <= {"low", "many"}
        signs(store, uri, device.pin)
        return
    assert said[-2:] == ["final", "locked"]
    assert pin_state(device) == "locked"
    with pytest.raises(PinLocked):
        store.open(uri, pin=device.pin)
    told = unlock(store, device.uri, authority=device.authority, new=NEW, using=device.unlock_with)
    assert told == PinSet(device.serial, "good")
    assert pin_state(device) == "good"
    signs(store, uri, NEW)


def test_a_wrong_pin_is_sent_once(device: Device, store: KeyStore, uri: KeyURI) -> None:
    for _ in range(6):
        with pytest.raises(PinIncorrect):
            store.open(uri, pin=Secret("000000"))

    signs(store, uri, device.pin)
    (health,) = store.health()
    assert health.pins_refused >= 1


def test_refused_pins_leave_no_session_open(device: Device, store: KeyStore, uri: KeyURI) -> None:
    sessions = store.reach(device.uri)
    native = device.loaded.native
    slot = native.slot_of(device.serial.encode())
    assert slot is not None

    def next_handle() -> int:
        answer, handle = device.loaded.call(
            lambda number: native.open_session(number, writable=False), slot
        )
        assert answer == 0
        device.loaded.call(native.close_session, handle)
        return handle

    with pytest.raises(PinIncorrect):
        store.open(uri, pin=Secret("000000"))
    gc.collect()
    assert sessions.open_sessions == 0
    assert sessions.login._anchor is None
    assert next_handle() > 0
    signs(store, uri, device.pin)


def test_the_officer_or_puk_sets_a_forgotten_pin(
    device: Device, store: KeyStore, uri: KeyURI
) -> None:
    with pytest.raises(PinIncorrect):
        unlock(store, device.uri, authority=Secret("99999999"), new=NEW, using=device.unlock_with)
    unlock(store, device.uri, authority=device.authority, new=NEW, using=device.unlock_with)

    with pytest.raises(PinIncorrect):
        store.open(uri, pin=device.pin)
    signs(store, uri, NEW)


def test_the_holder_changes_the_pin_and_open_keys_go_on(
    device: Device, store: KeyStore, uri: KeyURI
) -> None:
    key = store.open(uri, pin=device.pin)
    with pytest.raises(PinIncorrect):
        change_pin(store, device.uri, old=Secret("000000"), new=NEW)
    with pytest.raises(PinUnsuitable):
        change_pin(store, device.uri, old=device.pin, new=Secret("1"))
    with pytest.raises(PinUnsuitable):
        change_pin(store, device.uri, old=device.pin, new=Secret(""))

    told = change_pin(store, device.uri, old=device.pin, new=NEW)

    assert told == PinSet(device.serial, "good")
    sign(key, ALGORITHM, b"still open")
    with device.store() as other, pytest.raises(PinIncorrect):
        other.open(uri, pin=device.pin)
    store.close()
    signs(store, uri, NEW)
