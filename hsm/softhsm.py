"""SoftHSM tokens: a home directory with its configuration, and tokens with random PINs in it.

SoftHSM reads where its tokens are from the file that the environment variable ``SOFTHSM2_CONF``
names, when the module is initialised. Rooms do not touch the environment: the wiring puts
:attr:`SoftHSMHome.environment` in place before the first key is opened.

PINs are 128-bit random, kept in files of mode 0600 that ``pin-source=file:`` can name.
"""

import contextlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pkcs11

from hsm import softhsm_repair
from hsm.cryptoki import CKR_OK, CKU_SO
from hsm.errors import DeviceFailure, KeyFileUnreadable, ModuleUnavailable
from hsm.faults import login_error, translate
from hsm.key_uri import KeyURI
from hsm.login import handle_of, serial_text
from hsm.machine_lock import MachineLock, whenever_held
from hsm.modules import Module, load
from hsm.secret import Secret
from hsm.software import write_private_file

ENVIRONMENT_VARIABLE: Final = "SOFTHSM2_CONF"

log = logging.getLogger(__name__)

_PLACES: Final = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
_CONFIGURATION: Final = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""
_LABEL_BYTES: Final = 32
"""CKF token labels are blank-padded to 32 bytes (PKCS#11 2.40, 3.3)."""


def find_softhsm_module() -> Path | None:
    """Give the SoftHSM module that the system's package manager installed, if there is one."""
    return next((path for path in map(Path, _PLACES) if path.is_file()), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftHSMToken:
    """A token in a SoftHSM home, and where its PINs are."""

    module: Path
    conf: Path
    label: str
    serial: str
    pin_file: Path
    so_pin_file: Path

    @property
    def uri(self) -> KeyURI:
        """The token's URI with its module and PIN source: enough to open it."""
        return KeyURI.for_token(
            serial=self.serial,
            label=self.label,
            module_path=self.module,
            pin_source=f"file:{quote(str(self.pin_file))}",
        )


@dataclass(frozen=True, slots=True)
class SoftHSMHome:
    """A directory with SoftHSM's configuration, its tokens and their PIN files."""

    directory: Path
    module: Path

    @classmethod
    def prepare(cls, directory: Path, *, module: Path | None = None) -> "SoftHSMHome":
        """Create what is missing in *directory*; raises ModuleUnavailable without SoftHSM."""
        found = module or find_softhsm_module()
        if found is None:
            raise ModuleUnavailable("SoftHSM is not installed on this machine")
        home = cls(directory.resolve(), found)
        for folder in (home.directory, home.tokens_directory, home.pins_directory):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = _CONFIGURATION.format(tokens=home.tokens_directory)
        if not home.conf.exists():
            write_private_file(home.conf, text.encode())
        elif text.splitlines()[0] not in home.conf.read_text().splitlines():
            # The home was moved: its tokens are now here.
            fresh = home.conf.with_suffix(f".{secrets.token_hex(4)}")
            write_private_file(fresh, text.encode())
            fresh.replace(home.conf)
        return home

    @property
    def conf(self) -> Path:
        """SoftHSM's configuration file."""
        return self.directory / "softhsm2.conf"

    @property
    def tokens_directory(self) -> Path:
        """Where SoftHSM keeps the tokens."""
        return self.directory / "tokens"

    @property
    def pins_directory(self) -> Path:
        """Where the PIN files are."""
        return self.directory / "pins"

    @property
    def copies_directory(self) -> Path:
        """Where what a killed login may have broken is kept whole."""
        return self.directory / "copies"

    @property
    def environment(self) -> Mapping[str, str]:
        """What must stand in the environment before the module is first used."""
        return {ENVIRONMENT_VARIABLE: str(self.conf)}

    def keep_whole(self) -> None:
        """Bring back what a kill at a login broke, now and whenever this process logs in.

        To be called before the module is first used.
        """
        whenever_held(self.module, self.directory, self._mend)
        with MachineLock(self.module).held():
            pass

    def _mend(self) -> None:
        # A disk that is full or read-only is no reason to do without tokens that are whole.
        with contextlib.suppress(OSError, KeyFileUnreadable):
            for folder in softhsm_repair.mend(self.tokens_directory, self.copies_directory):
                log.warning("the token in %s was broken by a kill at a login: mended", folder)

    def tokens(self) -> list[SoftHSMToken]:
        """List the tokens here whose PIN files are here too, in order of label and serial."""
        found = [
            self._token(token.label, serial_text(token)) for token in load(self.module).tokens()
        ]
        return sorted(
            (token for token in found if token.pin_file.exists()),
            key=lambda token: (token.label, token.serial),
        )

    def find(self, label: str) -> SoftHSMToken | None:
        """Find the first token of that label."""
        return next((token for token in self.tokens() if token.label == label), None)

    def _token(self, label: str, serial: str) -> SoftHSMToken:
        return SoftHSMToken(
            module=self.module,
            conf=self.conf,
            label=label,
            serial=serial,
            pin_file=self.pins_directory / f"{serial}.pin",
            so_pin_file=self.pins_directory / f"{serial}.so-pin",
        )


def create_softhsm_token(home: SoftHSMHome, *, label: str) -> SoftHSMToken:
    """Initialise a new token with random PINs.

    The module must have been started with this home's :attr:`SoftHSMHome.environment`; a token that
    landed elsewhere is reported as ModuleUnavailable.
    """
    if not label or len(label.encode()) > _LABEL_BYTES:
        raise DeviceFailure("a token label has 1 to 32 bytes")
    module = load(home.module)
    pin, so_pin = Secret(secrets.token_hex(16)), Secret(secrets.token_hex(16))
    before = {path.name for path in home.tokens_directory.iterdir()}
    with module.alone_on_machine():
        serial = _initialise(module, label, so_pin)
    if not {path.name for path in home.tokens_directory.iterdir()} - before:
        raise ModuleUnavailable(
            f"SoftHSM uses another directory: set {ENVIRONMENT_VARIABLE}={home.conf} before start"
        )
    token = home._token(label, serial)  # noqa: SLF001 - same file
    write_private_file(token.so_pin_file, so_pin.reveal() + b"\n")
    write_private_file(token.pin_file, pin.reveal() + b"\n")
    with module.alone_on_machine():
        _set_user_pin(module, serial, so_pin, pin)
    home.keep_whole()
    return token


def _initialise(module: Module, label: str, so_pin: Secret) -> str:
    native, slot = module.native, module.blank_slot()
    if slot is None:
        raise DeviceFailure("the module offers no blank token")
    before = {serial_text(token) for token in module.tokens()}
    answer = module.call(
        lambda number: native.init_token(number, so_pin.reveal(), label), _slot_number(slot)
    )
    if answer != CKR_OK:
        raise DeviceFailure(f"the token was not initialised (return code 0x{answer:x})")
    created = {serial_text(token) for token in module.tokens()} - before
    if len(created) != 1:
        raise DeviceFailure("the new token does not show itself")
    return created.pop()


def _set_user_pin(module: Module, serial: str, so_pin: Secret, pin: Secret) -> None:
    native = module.native
    token = next(token for token in module.tokens() if serial_text(token) == serial)
    session = module.call(lambda chosen: chosen.open(rw=True), token)
    handle = handle_of(session)
    try:
        answer = module.call(lambda user: native.login(handle, user, so_pin.reveal()), CKU_SO)
        if answer == CKR_OK:
            answer = module.call(lambda number: native.init_pin(number, pin.reveal()), handle)
            module.call(native.logout, handle)
    finally:
        module.call(lambda opened: opened.close(), session)
    if answer != CKR_OK:
        raise translate(login_error(answer), token=serial)


def _slot_number(slot: pkcs11.Slot) -> int:
    return int(slot.slot_id)
