"""The four kinds of token that keys are tested on, behind one face.

Each is the real thing as far as a machine without hardware can have it: SoftHSM in the process, an
HSM on another machine (p11-kit's client and server), an official's USB token (OpenSC, the card
service and a virtual PIV card), and a token with a PIN counter and a security officer (the software
token of openCryptoki). :func:`make` gives the one of a kind; :meth:`Device.renew` puts a token in
its first state into it.
"""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import ClassVar

from hsm.algorithms import KeyAlgorithm
from hsm.cryptoki import CKR_OK, CKU_SO, CKU_USER, Cryptoki
from hsm.errors import ModuleUnavailable
from hsm.key_uri import KeyURI
from hsm.login import serial_text
from hsm.modules import Module, _loaded, load
from hsm.pin_changes import UnlockWith
from hsm.policy import LoginPolicy
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.softhsm import find_softhsm_module
from hsm.tokens import generate_key
from tests.tokens import new_token, process_home
from tests.tokens.card_service import CardService
from tests.tokens.machine import (
    Daemon,
    library,
    missing,
    only_one_on_this_machine,
    program,
    wait_for,
)
from tests.tokens.piv_card import PivCard
from tests.tokens.piv_reader import Slot

Keys = dict[KeyAlgorithm, KeyURI]


class Device(ABC):
    """A token, what it can do, and what can happen to it."""

    kind: ClassVar[str]
    policy: ClassVar[LoginPolicy] = LoginPolicy.HELD
    parallel: ClassVar[bool] = True
    key_kinds: ClassVar[tuple[KeyAlgorithm, ...]] = (KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256)
    makes: ClassVar[tuple[KeyAlgorithm, ...]] = (
        KeyAlgorithm.RSA_2048,
        KeyAlgorithm.RSA_3072,
        KeyAlgorithm.RSA_4096,
        KeyAlgorithm.P_256,
        KeyAlgorithm.P_384,
    )
    locks_after: ClassVar[int | None] = None
    unlock_with: ClassVar[UnlockWith] = UnlockWith.SO_PIN
    goes_on_alone: ClassVar[bool] = False
    """Whether open keys sign on when :meth:`pull` took away what runs beside the module."""

    module: Path
    pin: Secret
    authority: Secret
    serial: str

    @abstractmethod
    def renew(self) -> None:
        """Put a token in its first state into the slot."""

    @abstractmethod
    def pull(self) -> None:
        """Take the token away."""

    @abstractmethod
    def insert(self) -> None:
        """Bring it back."""

    @abstractmethod
    def stop(self) -> None:
        """End what runs for it."""

    @property
    def loaded(self) -> Module:
        """The module of this process."""
        return load(self.module)

    @property
    def uri(self) -> KeyURI:
        """The token, without a PIN source."""
        return KeyURI.for_token(serial=self.serial)

    def store(self) -> KeyStore:
        """A key store for it. The caller closes it."""
        return KeyStore(modules=[self.module], pin_prompt=lambda _: self.pin)

    def keys(self, store: KeyStore) -> Keys:
        """Name one key of each kind, made now where the token has none."""
        return {
            kind: generate_key(store, self.uri, label=kind, algorithm=kind)
            for kind in self.key_kinds
        }

    def _serial_of(self, label: str) -> str:
        found: list[str] = []

        def look() -> list[str]:
            found.extend(serial_text(t) for t in self.loaded.tokens() if t.label == label)
            return found

        wait_for(look, f"no token {label!r} showed itself")
        return found[0]


class SoftHsm(Device):
    """SoftHSM in the process itself. It counts no PIN tries."""

    kind = "softhsm"
    makes = tuple(KeyAlgorithm)

    def __init__(self) -> None:
        self.module = find_softhsm_module() or missing("libsofthsm2.so", "softhsm2")
        self._away: Path | None = None

    def renew(self) -> None:
        """Make another token."""
        self.stop()
        token = new_token("matrix")
        self.serial = token.serial
        self.pin = Secret(token.pin_file.read_text().strip())
        self.authority = Secret(token.so_pin_file.read_text().strip())
        self._folder = max(process_home().tokens_directory.iterdir(), key=_changed)

    def pull(self) -> None:
        """Take the folder of the token away; the module starts again and does not find it."""
        self._away = process_home().directory / f"away-{self.serial}"
        self._move(self._folder, self._away)

    def insert(self) -> None:
        """Put the folder back."""
        if self._away is not None and self._away.exists():
            self._move(self._away, self._folder)

    def _move(self, origin: Path, target: Path) -> None:
        module = self.loaded
        with module._gate.alone():  # no call may see the folder half gone
            origin.rename(target)
            module.generation += 1
            module._start_again()

    def stop(self) -> None:
        """Put the folder back, if it is away."""
        self.insert()


def _changed(path: Path) -> float:
    return path.stat().st_mtime


class RemoteHsm(Device):
    """SoftHSM behind a socket, as an HSM on another machine. The server may die."""

    kind = "p11-kit"
    makes = SoftHsm.makes[:-1]

    def __init__(self) -> None:
        self.module = library("pkcs11/p11-kit-client.so", "p11-kit")
        self._program = program("p11-kit", "p11-kit")
        provider = find_softhsm_module() or missing("libsofthsm2.so", "softhsm2")
        self.folder = Path(tempfile.mkdtemp(prefix="antin-remote-"))
        (self.folder / "tokens").mkdir()
        conf = self.folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.folder}/tokens\nlog.level = ERROR\n")
        self._environment = {"SOFTHSM2_CONF": str(conf)}
        self._socket = self.folder / "socket"
        self.daemon = Daemon(
            [
                *(self._program, "server", "--foreground", "--name", self._socket),
                *("--provider", provider, "pkcs11:"),
            ],
            self.folder / "log",
        )
        self.daemon.environment = self._environment

    @property
    def environment(self) -> dict[str, str]:
        """What the client must find in the environment before it is loaded."""
        return {"P11_KIT_SERVER_ADDRESS": f"unix:path={self._socket}"}

    def renew(self) -> None:
        """Make another token on the server's side."""
        label = f"remote-{secrets.token_hex(4)}"
        self.pin, self.authority = Secret("24681357"), Secret("87654321")
        subprocess.run(
            [
                *("softhsm2-util", "--init-token", "--free", "--label", label),
                *("--pin", self.pin.reveal_text(), "--so-pin", self.authority.reveal_text()),
            ],
            env=self._environment,
            check=True,
            capture_output=True,
        )
        self.daemon.stop()
        self.insert()
        self.serial = self._serial_of(label)

    def pull(self) -> None:
        """Kill the server: the line is dead."""
        self.daemon.stop(suddenly=True)

    def insert(self) -> None:
        """Start the server again."""
        if not self.daemon.running:
            self._socket.unlink(missing_ok=True)
            self.daemon.start()
            wait_for(self._socket.exists, "the remote end did not start")

    def stop(self) -> None:
        """End the server."""
        self.daemon.stop()


class UsbToken(Device):
    """An official's token: a PIV card in a reader, through the card service and OpenSC."""

    kind = "opensc"
    policy = LoginPolicy.EACH_TIME
    parallel = False
    makes = ()
    locks_after = 3
    unlock_with = UnlockWith.PUK

    def __init__(self, service: CardService, port: int) -> None:
        self.module = library("opensc-pkcs11.so", "opensc-pkcs11")
        self._service = service
        self._port = port
        self.slot: Slot | None = None
        self.serial = ""

    @property
    def card(self) -> PivCard:
        """The card in the slot."""
        assert self.slot is not None
        return self.slot.card

    def renew(self) -> None:
        """Personalise another card and put it in."""
        self.stop()
        name = f"Nguyễn Văn {secrets.token_hex(3)}"
        self._put(Slot(self._port, PivCard.personalised(name)))
        self.pin, self.authority = Secret("123456"), Secret("12345678")
        self.serial = self._serial_of(name)

    def keys(self, store: KeyStore) -> Keys:
        """Name the keys that the card came with."""
        assert store is not None
        return {
            KeyAlgorithm.RSA_2048: self.uri.with_key(key_id=b"\x01"),
            KeyAlgorithm.P_256: self.uri.with_key(key_id=b"\x02"),
        }

    def pull(self) -> None:
        """Pull the card out, whatever it is doing; the reader notices in its own time."""
        assert self.slot is not None
        self.slot.pull()

    def insert(self) -> None:
        """Put the card in again."""
        assert self.slot is not None
        self._put(self.slot)

    def _put(self, slot: Slot) -> None:
        """Put a card in when the reader has noticed that the last one is gone, and wait for it."""
        wait_for(lambda: self.serial not in self._serials(), "the reader still sees the old card")
        others = self._serials()
        slot.insert()
        self.slot = slot
        wait_for(lambda: self._serials() - others, "the reader saw no card")

    def _serials(self) -> set[str]:
        return {serial_text(token) for token in self.loaded.tokens()}

    def stop(self) -> None:
        """Pull the card out."""
        if self.slot is not None:
            self.slot.pull()
            self.slot = None
            wait_for(lambda: self.serial not in self._serials(), "the reader still sees the card")


_SLOT = 3
_DAEMON_SOCKET = Path("/run/pkcsslotd.socket")
_OWN_CONFIGURATION = 'mount --bind "$1" /etc/opencryptoki && exec "$2" -f'
_CONFIGURATION = """\
version opencryptoki-3.8
slot {slot}
{{
stdll = libpkcs11_sw.so
tokname = {name}
}}
"""


class CountingToken(Device):
    """The software token of openCryptoki: three wrong PINs lock it, its officer unlocks it.

    Its daemon is one per machine, so test processes take turns. The daemon gets a configuration of
    its own, in which the token has another name than any that the machine itself may use.
    """

    kind = "opencryptoki"
    key_kinds = (KeyAlgorithm.RSA_2048,)
    makes = (KeyAlgorithm.RSA_2048, KeyAlgorithm.RSA_3072, KeyAlgorithm.RSA_4096)
    locks_after = 3
    goes_on_alone = True

    def __init__(self) -> None:
        self._turn = ExitStack()
        self.module = library("pkcs11/libopencryptoki.so", "opencryptoki")
        daemon = program("pkcsslotd", "opencryptoki")
        self._turn.enter_context(only_one_on_this_machine("opencryptoki"))
        self._folder = Path(tempfile.mkdtemp(prefix="antin-slots-"))
        self._name = ""
        self.daemon = Daemon(
            ["unshare", "--mount", "sh", "-c", _OWN_CONFIGURATION, "sh", self._folder, daemon],
            self._folder / "log",
        )

    def renew(self) -> None:
        """Set up another token and its PINs; the daemon knows one at a time."""
        known = _loaded.get(self.module.resolve())
        self.daemon.stop(suddenly=True)  # asked politely it takes seconds
        self._remove_token()
        self._name = f"antin-tests-{secrets.token_hex(4)}"
        configuration = _CONFIGURATION.format(slot=_SLOT, name=self._name)
        (self._folder / "opencryptoki.conf").write_text(configuration)
        self.insert()
        wait_for(lambda: self._begun(known), "the module does not reach its daemon")
        self.pin, self.authority = Secret("765432"), Secret("11223344")
        assert self.loaded.call(self._set_up, self.loaded.native) == [CKR_OK] * 10
        self.serial = self._serial_of("matrix")

    def _set_up(self, native: Cryptoki) -> list[int]:
        officer, first = b"87654321", b"654321"  # of a new token, and until the user changes it
        initialised = native.init_token(_SLOT, officer, "matrix")
        opened, session = native.open_session(_SLOT, writable=True)
        return [
            initialised,
            opened,
            native.login(session, CKU_SO, officer),
            native.set_pin(session, officer, self.authority.reveal()),
            native.init_pin(session, first),
            native.logout(session),
            native.login(session, CKU_USER, first),
            native.set_pin(session, first, self.pin.reveal()),
            native.logout(session),
            native.close_session(session),
        ]

    def _remove_token(self) -> None:
        if self._name:
            for folder in (Path("/var/lib/opencryptoki"), Path("/var/lock/opencryptoki")):
                shutil.rmtree(folder / self._name, ignore_errors=True)
            for memory in Path("/dev/shm").glob(f"*{self._name}*"):  # noqa: S108 - its own place
                memory.unlink()

    def pull(self) -> None:
        """Kill the daemon that every call goes through."""
        self.daemon.stop(suddenly=True)

    def insert(self) -> None:
        """Start the daemon again."""
        if not self.daemon.running:
            _DAEMON_SOCKET.unlink(missing_ok=True)  # left by one that was killed
            self.daemon.start()
            wait_for(_DAEMON_SOCKET.exists, "the slot daemon did not start")

    def _begun(self, known: Module | None) -> bool:
        """Load the module, or start it again; it fails while the daemon is not ready."""
        try:
            if known is not None:
                known.restart(known.generation)
        except ModuleUnavailable:
            return False
        return self._loads()

    def _loads(self) -> bool:
        try:
            return bool(self.loaded.path)
        except ModuleUnavailable:
            return False

    def stop(self) -> None:
        """End the daemon, and let the next test process have its turn."""
        self.daemon.stop(suddenly=True)
        self._remove_token()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._turn.close()


KINDS = ("softhsm", "p11-kit", "opensc", "opencryptoki")


@cache
def card_service() -> CardService:
    """The card service of this test process."""
    service = CardService.start()
    atexit.register(service.stop)
    return service


@cache
def _remote() -> RemoteHsm:
    remote = RemoteHsm()
    os.environ.update(remote.environment)
    atexit.register(shutil.rmtree, remote.folder, ignore_errors=True)
    atexit.register(remote.stop)
    return remote


def make(kind: str) -> Device:
    """Give the device of that kind. The caller stops it; what many tests share goes on."""
    if kind == "softhsm":
        return SoftHsm()
    if kind == "p11-kit":
        return _remote()
    if kind == "opensc":
        return UsbToken(card_service(), card_service().ports[0])
    return CountingToken()
