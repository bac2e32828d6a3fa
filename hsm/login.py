"""The login of this process on one token: who holds it open, and what was proven to open it.

Logging in is a state of the process and the token, not of a session (PKCS#11 2.40, 5.6). One
*anchor* session logs in and stays open; when it closes with the last other session, the login ends.

A PIN goes to the token once. A refused one is remembered (as a salted hash) and not sent again,
because each wrong try brings a hardware token closer to locking. A caller who comes when the token
is already open must still show the same PIN.
"""

import hashlib
import os
import threading

import pkcs11
from pkcs11.constants import TokenFlag
from pkcs11.exceptions import PKCS11Error, UserAlreadyLoggedIn

from hsm.cryptoki import CKR_OK, CKU_USER
from hsm.errors import PinIncorrect, PinRequired, TokenRemoved, TriesLeft
from hsm.faults import CKR_USER_ALREADY_LOGGED_IN, a_pin_was_refused, login_error, translate
from hsm.modules import Module
from hsm.secret import Secret


class TokenLogin:
    """The anchor session of one token and the PIN that opened it. Safe to call from threads."""

    def __init__(self, module: Module, serial: str, label: str) -> None:
        self.module = module
        self.serial = serial
        self.label = label
        self._lock = threading.RLock()
        self._anchor: pkcs11.Session | None = None
        self._generation = -1
        self._pin: Secret | None = None
        self._salt = os.urandom(16)
        self._refused: set[bytes] = set()

    @property
    def name(self) -> str:
        """The token for messages: label and serial number."""
        return f"{self.label!r} ({self.serial})"

    @property
    def is_open(self) -> bool:
        """Whether this process is logged in through here."""
        return self._pin is not None

    @property
    def pin(self) -> Secret:
        """The PIN, for keys that want it at every signature (CKA_ALWAYS_AUTHENTICATE)."""
        if self._pin is None:
            raise PinRequired(f"token {self.name} wants a PIN first")
        return self._pin

    def needs_pin(self) -> bool:
        """Whether private keys stay invisible until a PIN is given."""
        return TokenFlag.LOGIN_REQUIRED in self._token().flags

    def open(self, pin: Secret) -> None:
        """Log in with *pin*, or check it against the one that opened the token.

        Raises PinIncorrect, PinLocked, TokenRemoved or DeviceFailure. Nothing is tried twice.
        """
        with self._lock:
            if self._pin is not None:
                if pin != self._pin:
                    raise PinIncorrect(f"the PIN is not the one that opened token {self.name}")
                return
            if self._digest(pin) in self._refused:
                raise PinIncorrect(
                    f"token {self.name} refused this PIN before; it was not tried again",
                    tries_left=self._tries_left(),
                )
            self._open_anchor(pin)

    def token(self) -> pkcs11.Token:
        """Give the token for opening a session on it, logged in again if it was logged in."""
        with self._lock:
            if self._anchor is not None and self._generation == self.module.generation:
                return self._anchor.token
            return self._open_anchor(self._pin)

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
            native = self.module.native
            if native is None or self._anchor is None or self._pin is None:
                return False
            handle, pin = handle_of(self._anchor), self._pin
            answer = self.module.call(
                lambda user: native.login(handle, user, pin.reveal()), CKU_USER
            )
            return answer == CKR_OK

    def distrust(self) -> None:
        """Forget a PIN that the token refused, so that it is not sent again."""
        with self._lock:
            if self._pin is not None:
                self._refused.add(self._digest(self._pin))
                self._pin = None
            self.drop_anchor()

    def close(self) -> None:
        """Log out, close the anchor and forget the PIN."""
        with self._lock:
            native, anchor = self.module.native, self._anchor
            alive = anchor is not None and self._generation == self.module.generation
            if native is not None and anchor is not None and alive and self._pin is not None:
                self.module.call(native.logout, handle_of(anchor))
            self.drop_anchor()
            self._pin = None
            self._refused.clear()

    def _open_anchor(self, pin: Secret | None) -> pkcs11.Token:
        self.module.check_process()
        with self.module.alone_on_machine():
            return self._open_anchor_alone(pin)

    def _open_anchor_alone(self, pin: Secret | None) -> pkcs11.Token:
        token = self._token()
        generation = self.module.generation
        unlocked_before = self._anchor
        try:
            anchor = self.module.call(lambda t: self._logged_in(t, pin), token)
        except PKCS11Error as error:
            refused = a_pin_was_refused(error)
            if pin is not None and refused:
                self._refused.add(self._digest(pin))
                self._pin = None
            raise translate(
                error, token=self.name, tries_left=self._tries_left() if refused else "unknown"
            ) from error
        if unlocked_before is not None:
            close_quietly(self.module, unlocked_before, self._generation)
        self._anchor, self._generation, self._pin = anchor, generation, pin
        return anchor.token

    def _logged_in(self, token: pkcs11.Token, pin: Secret | None) -> pkcs11.Session:
        native = self.module.native
        if native is None:
            # Such a module cannot be reached beside the binding, so the binding logs in.
            try:
                return token.open(user_pin=None if pin is None else pin.reveal_text())
            except UserAlreadyLoggedIn:
                return token.open()
        session = token.open()
        if pin is not None:
            answer = native.login(handle_of(session), CKU_USER, pin.reveal())
            if answer not in {CKR_OK, CKR_USER_ALREADY_LOGGED_IN}:
                session.close()
                raise login_error(answer)
        return session

    def _token(self) -> pkcs11.Token:
        for token in self.module.tokens():
            if serial_text(token) == self.serial:
                return token
        raise TokenRemoved(f"token {self.name} is not there any more")

    def _tries_left(self) -> TriesLeft:
        try:
            flags = TokenFlag(self._token().flags)
        except Exception:  # noqa: BLE001 - a hint for a message must not hide the refusal itself
            return "unknown"
        if flags & (TokenFlag.USER_PIN_FINAL_TRY | TokenFlag.USER_PIN_LOCKED):
            return "final"
        return "low" if TokenFlag.USER_PIN_COUNT_LOW in flags else "many"

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
