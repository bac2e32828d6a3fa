import logging
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11.constants import TokenFlag

from hsm import sessions as sessions_module
from hsm.algorithms import KeyAlgorithm, PrivateKey, default_for, sign, verify
from hsm.errors import DeviceFailure, HsmError, PinIncorrect, PinRequired
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.sessions import POOL_FAST, TokenSessions
from hsm.softhsm import SoftHSMToken
from hsm.tokens import generate_key
from tests.tokens import new_token, store_for

pytestmark = pytest.mark.token

THREADS = 4
EACH = 1_000


@pytest.fixture
def key_uri(key_store: KeyStore, softhsm_token: SoftHSMToken) -> KeyURI:
    return generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)


@pytest.fixture
def wrong_pin_file(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.pin"
    path.write_text("sai-mã-PIN-4711\n")
    return path


def count_of_logins(monkeypatch: pytest.MonkeyPatch, sessions: TokenSessions) -> list[int]:
    """Count what really reaches the token."""
    native = sessions.module.native
    assert native is not None
    real, answers = native.login, []

    def counted(session: int, user: int, pin: bytes | None) -> int:
        answers.append(real(session, user, pin))
        return answers[-1]

    monkeypatch.setattr(native, "login", counted)
    return answers


def sign_and_check(key: PrivateKey, data: bytes) -> None:
    algorithm = default_for(key.public_key())
    verify(key.public_key(), algorithm, sign(key, algorithm, data), data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256])
def test_four_threads_make_a_thousand_signatures_each_without_an_error_or_a_wrong_one(
    kind: KeyAlgorithm,
) -> None:
    token = new_token("luồng")
    with store_for(token) as store:
        keys = [
            store.open(generate_key(store, token.uri, label=f"{n}", algorithm=kind))
            for n in range(2)
        ]
        start = threading.Barrier(THREADS)
        wrong: list[str] = []

        def work(thread: int) -> int:
            start.wait()
            key = keys[thread % len(keys)]
            public, algorithm = key.public_key(), default_for(key.public_key())
            for number in range(EACH):
                data = f"{thread}/{number}".encode()
                try:
                    verify(public, algorithm, sign(key, algorithm, data), data)
                except HsmError as error:
                    wrong.append(f"{type(error).__name__}: {error}")
            return EACH

        with ThreadPoolExecutor(THREADS) as pool:
            made = sum(pool.map(work, range(THREADS)))

        (health,) = store.health()
        assert wrong == []
        assert made == THREADS * EACH
        assert health.operations >= made
        assert (health.failures, health.wrong_signatures, health.reopened) == (0, 0, 0)
        assert health.sessions <= THREADS


def test_threads_open_keys_and_close_stores_on_one_token_at_the_same_time() -> None:
    token = new_token("mở đóng")
    with store_for(token) as first:
        uri = generate_key(first, token.uri, label="k", algorithm=KeyAlgorithm.P_256)

        def work(_: int) -> None:
            for number in range(15):
                with store_for(token) as store:
                    sign_and_check(store.open(uri), bytes([number]))

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(THREADS)))
        sign_and_check(first.open(uri), b"still open")


def test_a_key_is_searched_once_and_its_session_used_again(
    key_store: KeyStore, key_uri: KeyURI
) -> None:
    key = key_store.open(key_uri)
    for number in range(50):
        sign_and_check(key, bytes([number]))

    assert key_store.health()[0].sessions == 1


def test_a_wrong_pin_is_refused_without_showing_it_anywhere(
    softhsm_token: SoftHSMToken, wrong_pin_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = KeyURI.for_token(serial=softhsm_token.serial, pin_source=f"file:{wrong_pin_file}")
    with (
        caplog.at_level(logging.DEBUG),
        store_for(softhsm_token) as store,
        pytest.raises(PinIncorrect) as caught,
    ):
        store.open(uri)

    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    pin = wrong_pin_file.read_text().strip()
    assert pin not in "".join(shown.format())
    assert pin not in caplog.text
    assert caught.value.tries_left == "low"
    assert caught.value.code == "pin_incorrect"


def test_a_wrong_pin_reaches_the_token_once_however_often_it_is_given(
    softhsm_token: SoftHSMToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_for(softhsm_token) as store:
        token = KeyURI.for_token(serial=softhsm_token.serial)
        answers = count_of_logins(monkeypatch, store._sessions(token))

        for _ in range(5):
            with pytest.raises(PinIncorrect):
                store.token(token, pin=Secret("000000"))
        with pytest.raises(PinIncorrect):
            store.token(token, pin=Secret("111111"))

        assert len(answers) == 2
        store.token(softhsm_token.uri)
        assert len(answers) == 3


def test_an_empty_pin_is_no_pin_and_spends_no_try(
    softhsm_token: SoftHSMToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = KeyURI.for_token(serial=softhsm_token.serial)
    with KeyStore(modules=[softhsm_token.module], pin_prompt=lambda _: Secret("")) as store:
        answers = count_of_logins(monkeypatch, store._sessions(token))

        for pin in (None, Secret("")):
            with pytest.raises(PinRequired):
                store.token(token, pin=pin)

    assert answers == []


def test_a_wrong_pin_leaves_no_session_behind(softhsm_token: SoftHSMToken) -> None:
    with store_for(softhsm_token) as store:
        token = KeyURI.for_token(serial=softhsm_token.serial)
        for number in range(5):
            with pytest.raises(PinIncorrect):
                store.token(token, pin=Secret(f"wrong-{number}"))

        sessions = store._sessions(token)
        assert sessions.open_sessions == 0
        assert sessions.login._anchor is None
        # A new session in this process starts logged out: nothing was left open and logged in.
        assert sessions.run(lambda pooled: len(list(pooled.session.get_objects()))) == 0


def test_an_open_token_still_wants_the_right_pin_from_the_next_caller(
    key_store: KeyStore, key_uri: KeyURI, softhsm_token: SoftHSMToken
) -> None:
    key_store.open(key_uri)
    bare = KeyURI.for_token(serial=softhsm_token.serial).with_key(key_id=key_uri.id)

    with store_for(softhsm_token) as other:
        with pytest.raises(PinRequired):
            other.open(bare)
        with pytest.raises(PinIncorrect):
            other.open(bare, pin=Secret("000000"))
        with pytest.raises(PinIncorrect):
            key_store.open(key_uri, pin=Secret("000000"))
        other.open(bare, pin=Secret(softhsm_token.pin_file.read_text().strip()))
        sign_and_check(other.open(bare), b"data")
    sign_and_check(key_store.open(key_uri), b"the other store's end changes nothing")


def test_the_prompt_is_asked_once_for_all_keys_of_a_token(
    key_store: KeyStore, key_uri: KeyURI, softhsm_token: SoftHSMToken
) -> None:
    asked: list[KeyURI] = []
    bare = KeyURI.for_token(serial=softhsm_token.serial).with_key(key_id=key_uri.id)
    key_store.close()

    def prompt(uri: KeyURI) -> Secret | None:
        asked.append(uri)
        return Secret(softhsm_token.pin_file.read_text().strip()) if len(asked) > 1 else None

    with KeyStore(modules=[softhsm_token.module], pin_prompt=prompt) as store:
        with pytest.raises(PinRequired):
            store.open(bare)
        store.open(bare)
        store.open(bare.with_key(label="k"))

    assert len(asked) == 2


def test_a_key_of_a_closed_store_signs_no_more(key_store: KeyStore, key_uri: KeyURI) -> None:
    key = key_store.open(key_uri)
    key_store.close()

    with pytest.raises(PinRequired, match="closed"):
        sign_and_check(key, b"data")
    sign_and_check(key_store.open(key_uri), b"data")


def test_broken_sessions_are_replaced_once_and_the_signature_is_made(
    key_store: KeyStore, key_uri: KeyURI
) -> None:
    key = key_store.open(key_uri)
    sessions = key_store.token(key_uri)

    for session in (sessions._idle[0].session, sessions.login._anchor):
        assert session is not None
        session.close()
    sign_and_check(key, b"data")

    assert sessions.figures.reopened == 1
    assert sessions.figures.failures == 1
    assert sessions.open_sessions == 1


def test_a_logout_by_other_code_of_the_process_is_healed(
    key_store: KeyStore, key_uri: KeyURI
) -> None:
    key = key_store.open(key_uri)
    sessions = key_store.token(key_uri)
    native, anchor = sessions.module.native, sessions.login._anchor
    assert native is not None
    assert anchor is not None

    native.logout(anchor.handle)  # type: ignore[attr-defined]  # the binding's stub omits it
    sign_and_check(key, b"data")
    native.logout(anchor.handle)  # type: ignore[attr-defined]  # as above
    assert key_store.open(key_uri.token_only()).public_key() == key.public_key()


def test_a_restarted_module_gets_new_sessions_and_the_same_login(
    key_store: KeyStore, key_uri: KeyURI
) -> None:
    key = key_store.open(key_uri)
    sessions = key_store.token(key_uri)
    generation = sessions.module.generation

    sessions.module.restart(generation)
    sessions.module.restart(generation)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda n: sign_and_check(key, bytes([n])), range(40)))

    assert sessions.module.generation == generation + 1
    assert sessions.figures.reopened == 1


def test_a_dead_device_restarts_the_module_and_the_operation_is_tried_once_more(
    key_store: KeyStore, key_uri: KeyURI
) -> None:
    key_store.open(key_uri)
    sessions = key_store.token(key_uri)
    generation = sessions.module.generation
    tried: list[int] = []

    def dies_once(_: sessions_module.PooledSession) -> str:
        tried.append(1)
        if len(tried) == 1:
            raise pkcs11.DeviceError
        return "done"

    def dies(_: sessions_module.PooledSession) -> str:
        tried.append(1)
        raise pkcs11.GeneralError

    assert sessions.run(dies_once) == "done"
    assert sessions.module.generation == generation + 1
    tried.clear()
    with pytest.raises(DeviceFailure):
        sessions.run(dies)
    assert len(tried) == 2
    sign_and_check(key_store.open(key_uri), b"data")


@pytest.mark.parametrize(
    "error", [pkcs11.FunctionFailed, pkcs11.exceptions.DeviceMemory, pkcs11.GeneralError]
)
def test_what_a_device_says_when_its_line_broke_is_tried_once_more(
    key_store: KeyStore, key_uri: KeyURI, error: type[pkcs11.PKCS11Error]
) -> None:
    key_store.open(key_uri)
    sessions = key_store.token(key_uri)
    tried: list[int] = []

    def breaks_once(_: sessions_module.PooledSession) -> str:
        tried.append(1)
        if len(tried) == 1:
            raise error
        return "done"

    assert sessions.run(breaks_once) == "done"
    assert sessions.figures.reopened == 1


def test_a_pin_refused_in_the_middle_is_not_sent_again(
    key_store: KeyStore, key_uri: KeyURI
) -> None:
    key = key_store.open(key_uri)
    sessions = key_store.token(key_uri)

    def refused(_: sessions_module.PooledSession) -> None:
        raise pkcs11.PinIncorrect

    with pytest.raises(PinIncorrect):
        sessions.run(refused)
    with pytest.raises(PinRequired):
        sign_and_check(key, b"data")
    with pytest.raises(PinIncorrect, match="not tried again"):
        key_store.token(key_uri)


def test_waiting_for_a_session_ends(
    key_store: KeyStore, key_uri: KeyURI, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = key_store.token(key_uri)
    monkeypatch.setattr(sessions_module, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "_cap", 1)
    hold, held = threading.Event(), threading.Event()

    def busy(_: sessions_module.PooledSession) -> None:
        held.set()
        hold.wait(10)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sessions.run, busy)
        held.wait(10)
        with pytest.raises(DeviceFailure, match="busy"):
            sessions.run(lambda _: None)
        hold.set()
        waiting.result()
    sessions.run(lambda _: None)


def test_a_slow_token_gets_a_larger_pool(key_store: KeyStore, key_uri: KeyURI) -> None:
    sessions = key_store.token(key_uri)

    assert sessions._limit() == POOL_FAST
    for _ in range(100):
        sessions.figures.took(0.1)
    assert sessions._limit() > POOL_FAST
    sessions.figures.took(0.001)
    assert sessions._limit() == POOL_FAST


def test_builders_sign_from_many_threads(key_store: KeyStore, key_uri: KeyURI) -> None:
    key = key_store.open(key_uri)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert not isinstance(key, rsa.RSAPrivateKey)

    def work(number: int) -> None:
        data = bytes([number])
        key.public_key().verify(
            key.sign(data, ec.ECDSA(hashes.SHA384())), data, ec.ECDSA(hashes.SHA384())
        )

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(100)))


def test_health_tells_what_is_open(
    key_store: KeyStore, key_uri: KeyURI, softhsm_token: SoftHSMToken
) -> None:
    sign_and_check(key_store.open(key_uri), b"data")

    (health,) = key_store.health()

    assert (health.serial, health.label) == (softhsm_token.serial, softhsm_token.label)
    assert health.present
    assert health.logged_in
    assert health.operations >= 2
    assert 0 < health.seconds_per_operation < 1
    assert health.last_error is None
    assert health.pin_state == "good"
    assert TokenFlag.USER_PIN_LOCKED not in key_store.token(key_uri).login._token().flags
