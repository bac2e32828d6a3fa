"""The login of this process on one token: who holds it open, and what was proven to open it.

Logging in is a state of the process and the token, not of a session (PKCS#11 2.40, 5.6). One
*anchor* session logs in and stays open; when it closes with the last other session, the login ends.

A PIN goes to the token once. A refused one is remembered (as a salted hash) and not sent again,
because each wrong try brings a hardware token closer to locking. A caller who comes when the token
is already open must still show the same PIN.

A token with a PIN pad asks for the PIN itself (:class:`AtDevice`): nothing is kept here then.
"""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

import pkcs11
from pkcs11 import PROTECTED_AUTH
from pkcs11.constants import TokenFlag
from pkcs11.exceptions import PKCS11Error, TokenNotPresent, UserAlreadyLoggedIn

from hsm.cryptoki import CKR_OK, CKU_SO, CKU_USER
from hsm.errors import (
    HsmError,
    MechanismUnavailable,
    PinIncorrect,
    PinLocked,
    PinRequired,
    TokenRemoved,
    TriesLeft,
)
from hsm.faults import CKR_USER_ALREADY_LOGGED_IN, a_pin_was_refused, login_error, translate
from hsm.modules import Module
from hsm.policy import LoginPolicy
from hsm.secret import Secret

_NEARNESS: Final = {
    CKU_USER: (
        TokenFlag.USER_PIN_COUNT_LOW,
        TokenFlag.USER_PIN_FINAL_TRY,
        TokenFlag.USER_PIN_LOCKED,
    ),
    CKU_SO: (
        TokenFlag.SO_PIN_COUNT_LOW,
        TokenFlag.SO_PIN_FINAL_TRY,
        TokenFlag.SO_PIN_LOCKED,
    ),
}


class AtDevice(Enum):
    """Stands where a PIN would: the person enters it at the device's own PIN pad."""

    PIN_PAD = "pin-pad"


class TokenLogin:
    """The anchor session of one token and the PIN that opened it. Safe to call from threads.

    Under :attr:`LoginPolicy.HELD` the anchor stays; otherwise :meth:`once` opens and closes it.
    """

    def __init__(self, module: Module, serial: str, label: str, policy: LoginPolicy) -> None:
        self.module = module
        self.serial = serial
        self.label = label
        self.policy = policy
        self._lock = threading.RLock()
        self._anchor: pkcs11.Session | None = None
        self._generation = -1
        self._pin: Secret | AtDevice | None = None
        self._salt = os.urandom(16)
        self._refused: set[bytes] = set()
        self.logins = 0
        self.refusals = 0

    @property
    def name(self) -> str:
        """The token for messages: label and serial number."""
        return f"{self.label!r} ({self.serial})"

    @property
    def is_open(self) -> bool:
        """Whether a PIN opened the token through here and it may be used."""
        return self._pin is not None

    @property
    def pin(self) -> Secret:
        """The PIN, for keys that want it at every signature (CKA_ALWAYS_AUTHENTICATE)."""
        if self._pin is None:
            raise PinRequired(f"token {self.name} wants a PIN first")
        if isinstance(self._pin, AtDevice):
            raise MechanismUnavailable(
                f"token {self.name} has a PIN pad and a key that wants the PIN at every signature"
            )
        return self._pin

    def needs_pin(self) -> bool:
        """Whether private keys stay invisible until a PIN is given."""
        return TokenFlag.LOGIN_REQUIRED in TokenFlag(self._token().flags)

    def has_pin_pad(self) -> bool:
        """Whether the PIN is entered at the device (CKF_PROTECTED_AUTHENTICATION_PATH)."""
        return TokenFlag.PROTECTED_AUTHENTICATION_PATH in TokenFlag(self._token().flags)

    def open(self, pin: Secret | AtDevice) -> None:
        """Log in with *pin*, or check it against the one that opened the token.

        Raises PinIncorrect, PinLocked, TokenRemoved or DeviceFailure. Nothing is tried twice.
        """
        with self._lock:
            if self._pin is not None:
                if pin != self._pin:
                    raise PinIncorrect(f"the PIN is not the one that opened token {self.name}")
                return
            if isinstance(pin, Secret) and self._digest(pin) in self._refused:
                raise PinIncorrect(
                    f"token {self.name} refused this PIN before; it was not tried again",
                    tries_left=self.tries_left() or "unknown",
                )
            self._open_anchor(pin)
            if self.policy is LoginPolicy.EACH_TIME:
                self._log_out()

    def token(self) -> pkcs11.Token:
        """Give the token for opening a session on it, logged in again if it was logged in."""
        with self._lock:
            if self._anchor is not None and self._generation == self.module.generation:
                return self._anchor.token
            return self._open_anchor(self._pin)

    @contextmanager
    def once(self) -> Iterator[pkcs11.Session]:
        """Log in, lend the session, log out again. One caller at a time."""
        with self._lock:
            self._open_anchor(self._pin)
            anchor = self._anchor
            if anchor is None:
                raise TokenRemoved(f"token {self.name} is not there any more")
            try:
                yield anchor
            finally:
                self._log_out()

    def drop_anchor(self) -> None:
        """Close the anchor; the next :meth:`token` opens another and logs in with the same PIN."""
        with self._lock:
            anchor, self._anchor = self._anchor, None
            if anchor is not None:
                close_quietly(self.module, anchor, self._generation)

    def was_lost(self) -> bool:
        """Whether something else in this process logged out; if so, log in again.

        A module that is still logged in does not look at the PIN, so no try is spent.
        """
        with self._lock:
            native, pin = self.module.native, self._pin
            if not self.module.shares_state or self._anchor is None or not isinstance(pin, Secret):
                return False
            handle = handle_of(self._anchor)
            answer = self.module.call(
                lambda user: native.login(handle, user, pin.reveal()), CKU_USER
            )
            return answer == CKR_OK

    def distrust(self) -> None:
        """Forget a PIN that the token refused, so that it is not sent again."""
        with self._lock:
            self.refusals += 1
            if isinstance(self._pin, Secret):
                self._refused.add(self._digest(self._pin))
            self._pin = None
            self.drop_anchor()

    def changed(self, pin: Secret | None) -> None:
        """Take note that the token has a new PIN: *pin* when it is to be used from now on."""
        with self._lock:
            self._refused.clear()
            self._log_out()
            if self._pin is not None:
                self._pin = pin

    def close(self) -> None:
        """Log out, close the anchor and forget the PIN."""
        with self._lock:
            self._log_out()
            self._pin = None
            self._refused.clear()

    def is_there(self) -> bool:
        """Whether the token is in its slot now."""
        try:
            self._token()
        except HsmError:
            return False
        return True

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Keep everyone else from logging in, for work that needs the token logged out."""
        with self._lock:
            self._log_out()
            yield

    def _log_out(self) -> None:
        native, anchor = self.module.native, self._anchor
        alive = anchor is not None and self._generation == self.module.generation
        if self.module.shares_state and anchor is not None and alive and self._pin is not None:
            self.module.call(native.logout, handle_of(anchor))
        self.drop_anchor()

    def _open_anchor(self, pin: Secret | AtDevice | None) -> pkcs11.Token:
        self.module.check_process()
        with self.module.alone_on_machine():
            return self._open_anchor_alone(pin)

    def _open_anchor_alone(self, pin: Secret | AtDevice | None) -> pkcs11.Token:
        token = self._token()
        generation = self.module.generation
        unlocked_before = self._anchor
        try:
            anchor = self.module.call(lambda t: self._logged_in(t, pin), token)
        except PKCS11Error as error:
            if pin is not None and a_pin_was_refused(error):
                self.refusals += 1
                if isinstance(pin, Secret):
                    self._refused.add(self._digest(pin))
                self._pin = None
            raise self.meaning(error) from error
        if unlocked_before is not None:
            close_quietly(self.module, unlocked_before, self._generation)
        self._anchor, self._generation, self._pin = anchor, generation, pin
        self.logins += pin is not None
        return anchor.token

    def _logged_in(self, token: pkcs11.Token, pin: Secret | AtDevice | None) -> pkcs11.Session:
        if not self.module.shares_state:
            return self._logged_in_by_the_binding(token, pin)
        session = token.open()
        if pin is not None:
            answer = self.module.native.login(
                handle_of(session), CKU_USER, pin.reveal() if isinstance(pin, Secret) else None
            )
            if answer not in {CKR_OK, CKR_USER_ALREADY_LOGGED_IN}:
                session.close()
                raise login_error(answer)
        return session

    def _logged_in_by_the_binding(
        self, token: pkcs11.Token, pin: Secret | AtDevice | None
    ) -> pkcs11.Session:
        """Log in where only the binding's own login counts.

        The binding keeps the session of a refused login, and nobody can close it. So the PIN is
        shown to the token first in a session that is ours to close.
        """
        if isinstance(pin, AtDevice):
            return token.open(user_pin=PROTECTED_AUTH)
        if pin is not None:
            self._prove(pin)
        try:
            return token.open(user_pin=None if pin is None else pin.reveal_text())
        except UserAlreadyLoggedIn:
            return token.open()

    def _prove(self, pin: Secret) -> None:
        native = self.module.native
        slot = native.slot_of(self.serial.encode())
        if slot is None:
            raise TokenNotPresent
        answer, session = native.open_session(slot, writable=False)
        if answer == CKR_OK:
            answer = native.login(session, CKU_USER, pin.reveal())
            native.close_session(session)
        if answer not in {CKR_OK, CKR_USER_ALREADY_LOGGED_IN}:
            raise login_error(answer)

    def _token(self) -> pkcs11.Token:
        for token in self.module.tokens():
            if serial_text(token) == self.serial:
                return token
        raise TokenRemoved(f"token {self.name} is not there any more")

    def tries_left(self, user: int = CKU_USER) -> TriesLeft | None:
        """Read from the token's flags how near a PIN is to being locked; None when it is."""
        low, final, locked = _NEARNESS[user]
        try:
            flags = TokenFlag(self._token().flags)
        except Exception:  # noqa: BLE001 - a hint for a message must not hide the refusal itself
            return "unknown"
        if locked in flags:
            return None
        if final in flags:
            return "final"
        return "low" if low in flags else "many"

    def meaning(self, error: PKCS11Error, user: int = CKU_USER) -> HsmError:
        """Say what a failed login means, with the tries that are left."""
        if not a_pin_was_refused(error):
            return translate(error, token=self.name)
        left = self.tries_left(user)
        if left is None:
            return PinLocked(f"token {self.name} refused the PIN and is locked now")
        return translate(error, token=self.name, tries_left=left)

    def _digest(self, pin: Secret) -> bytes:
        return hashlib.blake2b(pin.reveal(), key=self._salt).digest()


def serial_text(token: pkcs11.Token) -> str:
    """Read the token's serial number as text; bytes outside ASCII are shown escaped."""
    return bytes(token.serial).rstrip(b"\0 ").decode("ascii", "backslashreplace")


def handle_of(session: pkcs11.Session) -> int:
    """Give the number that the module knows the session by."""
    return int(session.handle)  # type: ignore[attr-defined]  # the binding's stub omits it


def close_quietly(module: Module, session: pkcs11.Session, generation: int) -> None:
    """Close a session that may already be gone.

    A session of an earlier generation is only forgotten: its number may name another one now.
    """
    if generation != module.generation:
        return
    try:
        module.call(lambda opened: opened.close(), session)
    except PKCS11Error:
        return
