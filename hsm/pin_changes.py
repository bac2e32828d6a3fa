"""New PINs: changed by the holder, or set by whoever holds the SO PIN or PUK of a locked token.

Nothing here is tried twice: a wrong old PIN, SO PIN or PUK counts on the token, and a locked PUK
makes most cards useless for good. While a PIN is being set nobody else is logged in on the token;
signatures that come meanwhile wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pkcs11 import exceptions as p11

from hsm.cryptoki import CKR_OK, CKU_SO, CKU_USER, Cryptoki
from hsm.errors import PinRequired, PinUnsuitable, TokenRemoved
from hsm.faults import login_error
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.sessions import TokenSessions
from hsm.token_health import health_of
from hsm.token_list import PinState

_UNSUITABLE: Final = (p11.PinInvalid, p11.PinLenRange, p11.PinTooWeak)
_Step = Callable[[Cryptoki, int], int]


class UnlockWith(StrEnum):
    """How a token lets a lost or locked PIN be set anew."""

    SO_PIN = "so-pin"
    """The security officer logs in and sets it (C_InitPIN): HSMs and most tokens."""
    PUK = "puk"
    """The PUK stands in the place of the old PIN (C_SetPIN while logged out): PIV and other cards.
    OpenSC does so with ``user_pin_unblock_style = set_pin_in_unlogged_session``."""


@dataclass(frozen=True, slots=True)
class PinSet:
    """Which token has a new PIN, and how it stands now: what a register of devices writes down."""

    serial: str
    pin_state: PinState | None
    """None when the token was taken out at once."""


def change_pin(store: KeyStore, token_uri: KeyURI, *, old: Secret, new: Secret) -> PinSet:
    """Let the holder replace the PIN; keys that are open go on with the new one.

    Raises PinIncorrect, PinLocked, or PinUnsuitable for the new PIN.
    """
    _check(old, new)
    sessions = store.reach(token_uri)
    _steps(
        sessions,
        CKU_USER,
        lambda native, session: native.login(session, CKU_USER, old.reveal()),
        lambda native, session: native.set_pin(session, old.reveal(), new.reveal()),
    )
    sessions.login.changed(new)
    return _now(sessions)


def unlock(
    store: KeyStore,
    token_uri: KeyURI,
    *,
    authority: Secret,
    new: Secret,
    using: UnlockWith = UnlockWith.SO_PIN,
) -> PinSet:
    """Set a new PIN with the SO PIN or PUK (*authority*), whatever the old one was.

    Raises PinIncorrect or PinLocked for *authority*, PinUnsuitable for the new PIN. Keys that were
    open want the new PIN before they sign again.
    """
    _check(authority, new)
    sessions = store.reach(token_uri)
    if using is UnlockWith.PUK:
        _steps(
            sessions,
            CKU_SO,
            lambda *_: CKR_OK,
            lambda native, session: native.set_pin(session, authority.reveal(), new.reveal()),
        )
    else:
        _steps(
            sessions,
            CKU_SO,
            lambda native, session: native.login(session, CKU_SO, authority.reveal()),
            lambda native, session: native.init_pin(session, new.reveal()),
        )
    sessions.login.changed(None)
    return _now(sessions)


def _now(sessions: TokenSessions) -> PinSet:
    found = health_of(sessions)
    return PinSet(found.serial, found.pin_state)


def _check(shown: Secret, new: Secret) -> None:
    if not shown:
        raise PinRequired("the PIN that is in force, or the one that unlocks, is missing")
    if not new:
        raise PinUnsuitable("a new PIN cannot be empty")


def _steps(sessions: TokenSessions, user: int, prove: _Step, set_new: _Step) -> None:
    login, module = sessions.login, sessions.module
    with sessions.alone(), module.alone_on_machine():
        proven, done = module.call(lambda run: _in_session(*run), (sessions, prove, set_new))
        if done == CKR_OK and not module.shares_state:
            # The change was made on a line of its own; the other one may remember the old PIN.
            module.restart(module.generation)
    if done == CKR_OK:
        return
    error = login_error(done)
    if proven == CKR_OK and isinstance(error, _UNSUITABLE):
        raise PinUnsuitable(f"token {login.name} does not take the new PIN") from error
    raise login.meaning(error, user) from error


def _in_session(sessions: TokenSessions, prove: _Step, set_new: _Step) -> tuple[int, int]:
    native = sessions.module.native
    slot = native.slot_of(sessions.login.serial.encode())
    if slot is None:
        raise TokenRemoved(f"token {sessions.login.name} is not there any more")
    opened, session = native.open_session(slot, writable=True)
    if opened != CKR_OK:
        return opened, opened
    try:
        proven = prove(native, session)
        done = set_new(native, session) if proven == CKR_OK else proven
        native.logout(session)
    finally:
        native.close_session(session)
    return proven, done
