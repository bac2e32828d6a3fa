"""Return codes of PKCS#11 modules, in our words, and what may be done about each.

Three questions are answered here and nowhere else: which error a caller sees, whether a fresh
session can cure it, and whether the module itself must be started again. A PIN matter is never
cured by trying again: each try counts against the token.
"""

from typing import Final

from pkcs11 import exceptions as p11

from hsm.errors import (
    DeviceFailure,
    HsmError,
    MechanismUnavailable,
    PinIncorrect,
    PinLocked,
    PinRequired,
    TokenRemoved,
    TriesLeft,
)

CKR_USER_ALREADY_LOGGED_IN: Final = 0x100

_PIN_REFUSED: Final = (p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange)
_REMOVED: Final = (p11.TokenNotPresent, p11.DeviceRemoved)
_CANNOT: Final = (
    p11.MechanismInvalid,
    p11.MechanismParamInvalid,
    p11.FunctionNotSupported,
    p11.KeySizeRange,
    p11.KeyTypeInconsistent,
    p11.DataInvalid,
    p11.AttributeTypeInvalid,
    p11.AttributeValueInvalid,
    p11.TemplateInconsistent,
    p11.TemplateIncomplete,
    p11.DomainParamsInvalid,
    p11.DataLenRange,
    p11.ArgumentsBad,
)
# A session or handle that went stale shows as any of these, depending on the module.
_STALE: Final = (
    *_REMOVED,
    p11.SessionHandleInvalid,
    p11.SessionClosed,
    p11.GeneralError,
    p11.FunctionFailed,
    p11.DeviceError,
    p11.DeviceMemory,
    p11.HostMemory,
    p11.OperationNotInitialized,
    p11.OperationActive,
    p11.ObjectHandleInvalid,
    p11.KeyHandleInvalid,
    p11.KeyTypeInconsistent,
    p11.UserNotLoggedIn,
)
_LOST: Final = (p11.DeviceError, p11.HostMemory)
_NOT_INITIALIZED: Final = "(not initialized)"
"""CKR_CRYPTOKI_NOT_INITIALIZED, for which the binding has a text and no class."""
_TOO_SMALL: Final = "Buffer was too small"
"""CKR_BUFFER_TOO_SMALL, for which the binding has a text and no class."""
_LOGIN_CODES: Final[dict[int, type[p11.PKCS11Error]]] = {
    0x2: p11.HostMemory,
    0x5: p11.GeneralError,
    0x7: p11.ArgumentsBad,
    0x30: p11.DeviceError,
    0x32: p11.DeviceRemoved,
    0xA0: p11.PinIncorrect,
    0xA1: p11.PinInvalid,
    0xA2: p11.PinLenRange,
    0xA3: p11.PinExpired,
    0xA4: p11.PinLocked,
    0x1B9: p11.PinTooWeak,
    0xB3: p11.SessionHandleInvalid,
    0x54: p11.FunctionNotSupported,
    0xE0: p11.TokenNotPresent,
    0x102: p11.UserPinNotInitialized,
    0x104: p11.AnotherUserAlreadyLoggedIn,
}


class StaleSession(Exception):
    """A session of an earlier life of the module: its handle may now belong to something else."""


def a_fresh_session_may_help(error: Exception) -> bool:
    """Whether dropping the session and opening another, once, is worth it."""
    return isinstance(error, (*_STALE, StaleSession)) or _not_initialized(error)


def a_pin_was_refused(error: Exception) -> bool:
    """Whether the token looked at a PIN and said no, or is locked."""
    return isinstance(error, (*_PIN_REFUSED, p11.PinLocked))


def the_module_must_restart(error: Exception) -> bool:
    """Whether the module lost what it talks to for good: its remote end or its daemon died."""
    return isinstance(error, _LOST) or _not_initialized(error)


def the_list_grew(error: Exception) -> bool:
    """Whether a list became longer between asking for its length and reading it."""
    return type(error) is p11.PKCS11Error and _TOO_SMALL in str(error)


def _not_initialized(error: Exception) -> bool:
    return type(error) is p11.PKCS11Error and _NOT_INITIALIZED in str(error)


def login_error(code: int) -> p11.PKCS11Error:
    """Turn a return code of C_Login or C_InitToken into the binding's exception."""
    return _LOGIN_CODES.get(code, p11.PKCS11Error)(f"return code 0x{code:x}")


_MEANINGS: Final[tuple[tuple[tuple[type[Exception], ...], type[HsmError], str], ...]] = (
    ((p11.PinExpired,), PinIncorrect, "wants its expired PIN changed"),
    ((p11.PinLocked,), PinLocked, "is locked"),
    ((p11.UserNotLoggedIn, p11.UserPinNotInitialized), PinRequired, "wants a PIN first"),
    (_REMOVED, TokenRemoved, "is not there any more"),
    (_CANNOT, MechanismUnavailable, "cannot do this"),
)


def translate(error: Exception, *, token: str, tries_left: TriesLeft = "unknown") -> HsmError:
    """Say what *error* means to a caller. *token* names the token for the message."""
    if isinstance(error, HsmError):
        return error
    if isinstance(error, _PIN_REFUSED):
        return PinIncorrect(f"token {token} refused the PIN", tries_left=tries_left)
    for classes, meaning, words in _MEANINGS:
        if isinstance(error, classes):
            return meaning(f"token {token} {words} ({type(error).__name__})")
    return DeviceFailure(f"token {token} failed ({type(error).__name__})")
