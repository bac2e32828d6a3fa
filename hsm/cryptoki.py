"""The few PKCS#11 calls that the binding has no method for, made straight through the C interface.

They are: initialising a module so that it locks (``CKF_OS_LOCKING_OK``), logging in and out on a
session that is already open, initialising a token, and setting PINs. Structures and numbers are
those of PKCS#11 2.40, sections 3 and 5. Every call releases the interpreter lock and gives back the
return code; 0 is success.
"""

import ctypes
import sys
from pathlib import Path
from typing import Any, Final

CKR_OK: Final = 0x0
CKR_CANT_LOCK: Final = 0xA
CKR_CRYPTOKI_NOT_INITIALIZED: Final = 0x190

CKU_SO: Final = 0
CKU_USER: Final = 1

_CKF_OS_LOCKING_OK: Final = 0x2
_CKF_RW_SESSION: Final = 0x2
_CKF_SERIAL_SESSION: Final = 0x4
_MAX_SLOTS: Final = 256
"""More slots than any module shows; the list is asked for once, with this much room."""
_LABEL_LENGTH: Final = 32
_INFO_SPACE: Final = 256
"""Room for a CK_INFO, which is never read: the call is made for its return code."""

# PKCS#11 structures are packed to one byte on Windows and natural everywhere else.
_PACK: Final = 1 if sys.platform == "win32" else 0

_FUNCTIONS: Final = (
    "C_Initialize",
    "C_Finalize",
    "C_GetInfo",
    "C_GetFunctionList",
    "C_GetSlotList",
    "C_GetSlotInfo",
    "C_GetTokenInfo",
    "C_GetMechanismList",
    "C_GetMechanismInfo",
    "C_InitToken",
    "C_InitPIN",
    "C_SetPIN",
    "C_OpenSession",
    "C_CloseSession",
    "C_CloseAllSessions",
    "C_GetSessionInfo",
    "C_GetOperationState",
    "C_SetOperationState",
    "C_Login",
    "C_Logout",
)


class _Version(ctypes.Structure):
    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte))


class _FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST as far as it is used here; the real one goes on."""

    if _PACK:
        _pack_ = _PACK
    _fields_ = (("version", _Version), *((name, ctypes.c_void_p) for name in _FUNCTIONS))


class _InitializeArgs(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS: no mutex callbacks, so the module uses the operating system's."""

    if _PACK:
        _pack_ = _PACK
    _fields_ = (
        ("CreateMutex", ctypes.c_void_p),
        ("DestroyMutex", ctypes.c_void_p),
        ("LockMutex", ctypes.c_void_p),
        ("UnlockMutex", ctypes.c_void_p),
        ("flags", ctypes.c_ulong),
        ("pReserved", ctypes.c_void_p),
    )


class _TokenInfo(ctypes.Structure):
    """The beginning of CK_TOKEN_INFO, and room for the rest."""

    if _PACK:
        _pack_ = _PACK
    _fields_ = (
        ("label", ctypes.c_char * 32),
        ("manufacturer", ctypes.c_char * 32),
        ("model", ctypes.c_char * 16),
        ("serial", ctypes.c_char * 16),
        ("rest", ctypes.c_char * _INFO_SPACE),
    )


class Cryptoki:
    """The C interface of one loaded module. Loading the same file twice gives the same library."""

    def __init__(self, path: Path) -> None:
        # The library stays loaded for the life of the process: its code may own threads.
        self._library = ctypes.CDLL(str(path))
        pointer = ctypes.POINTER(_FunctionList)()
        rv = int(self._library.C_GetFunctionList(ctypes.byref(pointer)))
        if rv != CKR_OK or ctypes.cast(pointer, ctypes.c_void_p).value is None:
            raise OSError(f"C_GetFunctionList answered 0x{rv:x}")
        self._functions = pointer.contents

    def _call(self, name: str, *arguments: Any) -> int:  # noqa: ANN401 - ctypes values of any kind
        prototype = ctypes.CFUNCTYPE(ctypes.c_ulong, *(type(value) for value in arguments))
        return int(prototype(getattr(self._functions, name))(*arguments))

    def shares_state(self) -> bool:
        """Whether these functions see the module that the binding initialised.

        Some modules (proxies, remote clients) hand every caller an instance of its own; those must
        not be steered from here.
        """
        space = ctypes.create_string_buffer(_INFO_SPACE)
        return self._call("C_GetInfo", ctypes.cast(space, ctypes.c_void_p)) == CKR_OK

    def initialize_locking(self) -> int:
        """C_Initialize, telling the module that threads will call it at the same time."""
        arguments = _InitializeArgs(flags=_CKF_OS_LOCKING_OK)
        return self._call("C_Initialize", ctypes.cast(ctypes.byref(arguments), ctypes.c_void_p))

    def initialize_plain(self) -> int:
        """C_Initialize for a module that refuses to lock; one thread may use it."""
        return self._call("C_Initialize", ctypes.c_void_p(None))

    def finalize(self) -> int:
        """C_Finalize."""
        return self._call("C_Finalize", ctypes.c_void_p(None))

    def slot_of(self, serial: bytes) -> int | None:
        """Find the slot whose token has this serial number (blanks at its end do not count)."""
        slots = (ctypes.c_ulong * _MAX_SLOTS)()
        count = ctypes.c_ulong(_MAX_SLOTS)
        found = self._call(
            "C_GetSlotList",
            ctypes.c_ubyte(1),
            ctypes.cast(slots, ctypes.c_void_p),
            ctypes.cast(ctypes.byref(count), ctypes.c_void_p),
        )
        for slot in slots[: count.value] if found == CKR_OK else ():
            info = _TokenInfo()
            answer = self._call(
                "C_GetTokenInfo",
                ctypes.c_ulong(slot),
                ctypes.cast(ctypes.byref(info), ctypes.c_void_p),
            )
            if answer == CKR_OK and bytes(info.serial).rstrip(b"\0 ") == serial:
                return int(slot)
        return None

    def open_session(self, slot: int, *, writable: bool) -> tuple[int, int]:
        """C_OpenSession; gives the return code and the session's handle."""
        handle = ctypes.c_ulong(0)
        answer = self._call(
            "C_OpenSession",
            ctypes.c_ulong(slot),
            ctypes.c_ulong(_CKF_SERIAL_SESSION | (_CKF_RW_SESSION if writable else 0)),
            ctypes.c_void_p(None),
            ctypes.c_void_p(None),
            ctypes.cast(ctypes.byref(handle), ctypes.c_void_p),
        )
        return answer, handle.value

    def close_session(self, session: int) -> int:
        """C_CloseSession."""
        return self._call("C_CloseSession", ctypes.c_ulong(session))

    def login(self, session: int, user: int, pin: bytes | None) -> int:
        """C_Login; None asks the reader's own PIN pad."""
        return self._call(
            "C_Login",
            ctypes.c_ulong(session),
            ctypes.c_ulong(user),
            ctypes.c_char_p(pin),
            ctypes.c_ulong(0 if pin is None else len(pin)),
        )

    def logout(self, session: int) -> int:
        """C_Logout, for every session of this process on that token."""
        return self._call("C_Logout", ctypes.c_ulong(session))

    def init_token(self, slot: int, so_pin: bytes, label: str) -> int:
        """C_InitToken: erases what is on the token and sets its SO PIN and label."""
        padded = label.encode()[:_LABEL_LENGTH].ljust(_LABEL_LENGTH)
        return self._call(
            "C_InitToken",
            ctypes.c_ulong(slot),
            ctypes.c_char_p(so_pin),
            ctypes.c_ulong(len(so_pin)),
            ctypes.c_char_p(padded),
        )

    def init_pin(self, session: int, pin: bytes) -> int:
        """C_InitPIN on a session where the SO is logged in."""
        return self._call(
            "C_InitPIN",
            ctypes.c_ulong(session),
            ctypes.c_char_p(pin),
            ctypes.c_ulong(len(pin)),
        )

    def set_pin(self, session: int, old: bytes, new: bytes) -> int:
        """C_SetPIN: the PIN of whoever is logged in, or the user's when nobody is."""
        return self._call(
            "C_SetPIN",
            ctypes.c_ulong(session),
            ctypes.c_char_p(old),
            ctypes.c_ulong(len(old)),
            ctypes.c_char_p(new),
            ctypes.c_ulong(len(new)),
        )
