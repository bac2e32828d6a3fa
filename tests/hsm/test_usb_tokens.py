"""Officials' USB tokens: two in one computer, a card service that dies, and commands for PUKs."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli import application
from hsm.algorithms import KeyAlgorithm, PrivateKey, default_for, sign, verify
from hsm.errors import TokenRemoved
from hsm.key_uri import KeyURI
from hsm.login import serial_text
from hsm.providers import KeyStore
from hsm.secret import Secret
from tests.tokens.devices import UsbToken, card_service
from tests.tokens.machine import wait_for

pytestmark = [pytest.mark.token, pytest.mark.xdist_group("opensc")]
Run = Callable[..., Result]


@pytest.fixture
def tokens() -> Iterator[tuple[UsbToken, UsbToken]]:
    """Two people's tokens in two readers, with PINs of their own."""
    service = card_service()
    with ExitStack() as stack:
        made = []
        for port, pin in zip(service.ports, ("123456", "654321"), strict=True):
            made.append(UsbToken(service, port))
            stack.callback(made[-1].stop)
            made[-1].renew()
            made[-1].card.pin.value = pin
            made[-1].pin = Secret(pin)
        yield made[0], made[1]


@pytest.fixture
def store(tokens: tuple[UsbToken, UsbToken]) -> Iterator[KeyStore]:
    pins = {token.serial: token.pin for token in tokens}

    def pin(uri: KeyURI) -> Secret:
        return pins[uri.serial or ""]

    with KeyStore(modules=[tokens[0].module], pin_prompt=pin) as opened:
        yield opened


def signed(key: PrivateKey, data: bytes = b"data") -> None:
    algorithm = default_for(key.public_key())
    verify(key.public_key(), algorithm, sign(key, algorithm, data), data)


def test_two_tokens_sign_at_once_and_one_pulled_out_does_not_stop_the_other(
    tokens: tuple[UsbToken, UsbToken], store: KeyStore
) -> None:
    mine, theirs = (
        store.open(token.keys(store)[kind])
        for token, kind in zip(tokens, (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256), strict=True)
    )
    assert mine.public_key() != theirs.public_key()
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(signed, key, b"%d" % n) for n in range(6) for key in (mine, theirs)]
        for job in jobs:
            job.result(timeout=30)

    tokens[0].pull()
    with pytest.raises(TokenRemoved):
        signed(mine)
    signed(theirs)
    tokens[0].insert()
    signed(mine)
    assert [token.card.pin.left for token in tokens] == [3, 3]
    assert all(health.wrong_signatures == 0 for health in store.health())


def test_a_card_service_that_died_is_found_again_without_asking_for_the_pin(
    tokens: tuple[UsbToken, UsbToken], store: KeyStore
) -> None:
    mine, theirs = tokens
    key = store.open(mine.keys(store)[KeyAlgorithm.RSA_2048])
    signed(key)
    service = card_service()

    service.daemon.stop(suddenly=True)
    for token in tokens:
        token.pull()
    with pytest.raises(TokenRemoved):
        signed(key)
    service.restart()
    for token in (theirs, mine):
        token.insert()
    wait_for(mine.loaded.tokens, "no token showed itself")

    signed(key)
    assert mine.card.pin.left == 3


@pytest.fixture
def run(tokens: tuple[UsbToken, UsbToken], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ANTIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTIN_PKCS11_MODULE", str(tokens[0].module))
    for name, value in (("PIN", "123456"), ("WRONG", "000000"), ("NEW", "246802")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PUK", "12345678")

    def command(*arguments: object) -> Result:
        return CliRunner().invoke(application("tokens"), ["tokens", *map(str, arguments)])

    return command


def test_a_locked_token_is_seen_and_unlocked_by_its_puk_at_the_command_line(
    tokens: tuple[UsbToken, UsbToken], run: Run
) -> None:
    serial = tokens[0].serial

    def state() -> str:
        rows = json.loads(run("list", "--json").stdout)
        (found,) = [row for row in rows if row["serial"] == serial]
        assert found["login"] == "each-time"
        return str(found["pin"])

    states = [state()]
    for number in range(3):
        # every command is a person's new try; a real one is a process of its own
        tokens[0].card.pin.try_(b"00000%d" % number)
        states.append(state())
    assert states[0] == "good"
    assert states[-2:] == ["final", "locked"]
    done = run("unlock", serial, "--puk", "env:WRONG", "--new-pin", "env:NEW")
    assert done.exit_code == 1
    assert run("unlock", serial, "--puk", "env:PUK", "--new-pin", "env:NEW").exit_code == 0
    assert state() == "good"
    assert run("change-pin", serial, "--pin", "env:NEW", "--new-pin", "env:PIN").exit_code == 0
    objects = run("objects", serial, "--pin", "env:PIN", "--json")
    assert {row["kind"] for row in json.loads(objects.stdout)} >= {"private", "cert"}


def test_tokens_that_come_and_go_while_they_are_listed_disturb_nobody(
    tokens: tuple[UsbToken, UsbToken],
) -> None:
    staying, moving = tokens
    over = threading.Event()
    seen = []

    def look() -> None:
        while not over.is_set():
            seen.append({serial_text(token) for token in staying.loaded.tokens()})

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        for _ in range(3):
            moving.pull()
            moving.insert()
        over.set()
        looking.result(timeout=30)
    assert len({frozenset(serials) for serials in seen}) == 2
    assert all(staying.serial in serials for serials in seen)
