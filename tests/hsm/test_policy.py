"""How long a login lasts, and PINs that are entered at the device."""

import pytest

from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, sign
from hsm.cryptoki import Cryptoki
from hsm.errors import MechanismUnavailable, PinIncorrect, PinRequired
from hsm.key_uri import KeyURI
from hsm.login import AtDevice, TokenLogin
from hsm.policy import LoginPolicy
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key
from tests.tokens import new_token

pytestmark = pytest.mark.token
ALGORITHM = SignatureAlgorithm.ECDSA_SHA256


def logged_in(token: SoftHSMToken) -> bool:
    """Whether this process is logged in, seen from a session beside the key store."""
    with KeyStore(modules=[token.module]) as store:
        sessions = store._sessions(KeyURI.for_token(serial=token.serial))
        opened = sessions.login._token().open()
        seen = len(list(opened.get_objects()))
        opened.close()
        return seen > 1  # the public key is always seen


def test_a_token_that_is_opened_each_time_is_locked_in_between() -> None:
    token = new_token("mỗi lần")
    policies = {token.serial: LoginPolicy.EACH_TIME}
    with KeyStore(modules=[token.module], policies=policies) as store:
        uri = generate_key(store, token.uri, label="k", algorithm=KeyAlgorithm.P_256)
        key = store.open(uri)
        sign(key, ALGORITHM, b"data")

        assert not logged_in(token)
        sign(key, ALGORITHM, b"again")
        (health,) = store.health()
        assert health.policy is LoginPolicy.EACH_TIME
        assert health.sessions == 0
        assert health.logins >= 3


def test_a_token_that_is_held_stays_open_until_the_store_closes() -> None:
    token = new_token("giữ")
    with KeyStore(modules=[token.module]) as store:
        uri = generate_key(store, token.uri, label="k", algorithm=KeyAlgorithm.P_256)
        sign(store.open(uri), ALGORITHM, b"data")
        assert store.health()[0].policy is LoginPolicy.HELD
        assert store.health()[0].logins == 1
        assert logged_in(token)
    assert not logged_in(token)


class PinPad:
    """SoftHSM, made to look like a token with a PIN pad at which somebody enters a PIN."""

    def __init__(self, token: SoftHSMToken, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered = token.pin_file.read_text().strip()
        self.asked = 0
        real = Cryptoki.login

        def login(native: Cryptoki, session: int, user: int, pin: bytes | None) -> int:
            assert pin is None, "a PIN went to a device that asks for it itself"
            self.asked += 1
            return real(native, session, user, self.entered.encode())

        monkeypatch.setattr(Cryptoki, "login", login)
        monkeypatch.setattr(TokenLogin, "has_pin_pad", lambda _: True)


def test_a_token_with_a_pin_pad_asks_for_the_pin_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    token = new_token("bàn phím")
    pad = PinPad(token, monkeypatch)
    bare = KeyURI.for_token(serial=token.serial)
    with KeyStore(modules=[token.module]) as store:
        pad.entered = "sai"
        with pytest.raises(PinIncorrect):
            store.token(bare)
        pad.entered = token.pin_file.read_text().strip()
        uri = generate_key(store, bare, label="k", algorithm=KeyAlgorithm.P_256)
        key = store.open(uri)
        for _ in range(3):
            sign(key, ALGORITHM, b"data")
        assert pad.asked == 2

        login = store.token(bare).login
        assert login._pin is AtDevice.PIN_PAD
        with pytest.raises(MechanismUnavailable):
            _ = login.pin
        with pytest.raises(PinIncorrect):
            store.token(bare, pin=Secret("000000"))


def test_without_a_pin_pad_nobody_answers_for_the_person() -> None:
    token = new_token("không ai")
    with KeyStore(modules=[token.module]) as store, pytest.raises(PinRequired):
        store.token(KeyURI.for_token(serial=token.serial))
