"""PKCS#11 modules of this process: loaded once, lazily, and made safe for threads.

A module is initialised by its process and shared by everything in it, so this is a registry that
the room has to keep for the process. A module known to be sound in many threads is initialised
again after loading, with ``CKF_OS_LOCKING_OK`` and before anything else can use it; without that it
would run unlocked while threads call it at the same time. So is one that its operator declares
sound (`declare_thread_safe`). Any other gets one thread of its own,
through which every call goes, and runs unlocked: locks would protect it from nobody, and a lock
that is kept on the way out of a failure (a card pulled out) would stop that thread for good.

A module does not survive ``fork``: a child that inherited one is refused its use, since it would
share sessions, locks and reader connections with its parent.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import pkcs11
from pkcs11.constants import TokenFlag
from pkcs11.exceptions import (
    DeviceRemoved,
    PKCS11Error,
    SlotIDInvalid,
    TokenNotPresent,
    TokenNotRecognised,
)

from hsm.cryptoki import CKR_CANT_LOCK, CKR_OK, Cryptoki
from hsm.errors import ModuleUnavailable
from hsm.faults import StaleSession, the_list_grew, the_module_must_restart, translate
from hsm.machine_lock import MachineLock

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib as Library  # noqa: N812 - the binding's class has a small name

A = TypeVar("A")
T = TypeVar("T")

_SAFE_IN_PARALLEL: Final = ("softhsm", "pkcs#11 kit", "p11-kit", "opencryptoki")
"""Words in the maker, description or file name of modules that are sound in many threads."""

_declared: set[Path] = set()
"""Modules beside these that the operator of this machine says are."""

_GONE_MEANWHILE: Final = (TokenNotPresent, TokenNotRecognised, DeviceRemoved, SlotIDInvalid)
"""What a slot of the list answers when its token or reader has just been taken away."""

LISTINGS: Final = 4
"""How often a list of slots is read that changes while it is read; a person plugs only so fast."""

RESTART_WAIT: Final = 30.0
"""Seconds a restart waits for calls in flight; a call on a dead device ends by its own time-out."""


class _Gate:
    """Many calls at a time, or one restart and no call."""

    def __init__(self) -> None:
        # The bare lock where a call goes in and out: a condition would cost more than the counting.
        self.lock = threading.Lock()
        self.idle = threading.Condition(self.lock)
        self.inside = 0
        self.waited_for = 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self.lock:
            self.waited_for += 1
            try:
                quiet = self.idle.wait_for(lambda: not self.inside, timeout=RESTART_WAIT)
            finally:
                self.waited_for -= 1
            if not quiet:
                raise ModuleUnavailable("the module has calls that do not return")
            yield


class Module:
    """One loaded PKCS#11 library; :func:`load` gives the process's only one per file.

    *generation* counts restarts: a session handle of an earlier generation must never be used,
    because numbers are given out again.

    *native* is the C interface beside the binding. With *shares_state* both see the same sessions
    and logins; without, the module gave each of them an instance of its own (proxies and remote
    clients do), and *native* stands on its own feet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._pid = os.getpid()
        self._gate = _Gate()
        self._machine = MachineLock(path) if "softhsm" in path.name.lower() else None
        with self.alone_on_machine():
            self._library, self.native, self.shares_state, self.parallel = _load(path)
        self._thread = (
            None if self.parallel else ThreadPoolExecutor(1, thread_name_prefix=f"p11-{path.stem}")
        )

    @property
    def description(self) -> str:
        """What the module says it is."""
        return f"{self._library.manufacturer_id} {self._library.library_description}".strip()

    @property
    def version(self) -> str:
        """The module's own version, as ``major.minor``."""
        major, minor = self._library.library_version
        return f"{major}.{minor}"

    @property
    def facts(self) -> dict[str, str]:
        """Give the values of the URI attributes that are about the module (RFC 7512 2.3)."""
        return {
            "library-manufacturer": self._library.manufacturer_id,
            "library-description": self._library.library_description,
            "library-version": self.version,
        }

    def call(self, function: Callable[[A], T], argument: A, *, generation: int | None = None) -> T:
        """Run *function*, which may use the module, in the thread that this module allows.

        With *generation*, raises StaleSession instead when the module restarted since.
        """
        if os.getpid() != self._pid:
            self.check_process()
        if self._thread is None:
            return self._inside(function, argument, generation)
        return self._thread.submit(self._inside, function, argument, generation).result()

    def alone_on_machine(self) -> AbstractContextManager[None]:
        """Keep other processes from this module for a moment, where it cannot share by itself."""
        return nullcontext() if self._machine is None else self._machine.held()

    def check_process(self) -> None:
        """Raise ModuleUnavailable in a process that inherited the module by fork."""
        if os.getpid() != self._pid:
            raise ModuleUnavailable("a PKCS#11 module cannot be used across fork()")

    def _inside(self, function: Callable[[A], T], argument: A, generation: int | None) -> T:
        gate = self._gate
        with gate.lock:
            gate.inside += 1
        try:
            if generation is not None and generation != self.generation:
                raise StaleSession
            return function(argument)
        finally:
            with gate.lock:
                gate.inside -= 1
                if gate.waited_for and not gate.inside:
                    gate.idle.notify_all()

    def tokens(self) -> list[pkcs11.Token]:
        """List the tokens that are present and initialised, in the module's slot order.

        A module that lost what it talks to (its daemon, its remote end) is started again, once;
        while that is away, there are no tokens. A client of a remote end shows its loss as a list
        without tokens.
        """
        self.check_process()
        generation = self.generation
        try:
            found = self._listed()
            if found or self.shares_state:
                return found
        except PKCS11Error as error:
            if not the_module_must_restart(error):
                raise translate(error, token=f"of {self.path.name}") from error
        try:
            self.restart(generation)
            return self._listed()
        except ModuleUnavailable:
            return []
        except PKCS11Error as error:
            raise translate(error, token=f"of {self.path.name}") from error

    def _listed(self) -> list[pkcs11.Token]:
        with self.alone_on_machine():
            return self.call(_present_tokens, self._library)

    def blank_slot(self) -> pkcs11.Slot | None:
        """Find the first slot whose token is present but not yet initialised."""
        try:
            return self.call(_blank_slot, self._library)
        except PKCS11Error as error:
            raise translate(error, token=f"of {self.path.name}") from error

    def restart(self, generation: int) -> None:
        """Finalise and initialise the module, once per *generation*; every session dies with it."""
        with self.alone_on_machine(), self._gate.alone():
            if generation != self.generation:
                return
            self.generation += 1
            self._start_again()

    def _start_again(self) -> None:
        try:
            if not self.shares_state:
                self._library.reinitialize()
        except PKCS11Error as error:
            raise ModuleUnavailable(f"{self.path.name} does not start again") from error
        self.native.finalize()
        again = self.native.initialize_locking if self.parallel else self.native.initialize_plain
        if again() != CKR_OK:
            raise ModuleUnavailable(f"{self.path.name} does not start again")


def _load(path: Path) -> "tuple[Library, Cryptoki, bool, bool]":
    """Load, and initialise again with locking where threads are to use the module.

    The first flag says whether binding and C interface share their state, the second whether
    threads may use the module.
    """
    if not path.is_file():
        raise ModuleUnavailable(f"there is no PKCS#11 module at {path}")
    try:
        library = pkcs11.lib(str(path))
        native = Cryptoki(path)
    except (PKCS11Error, OSError, AttributeError) as error:
        raise ModuleUnavailable(f"{path.name} cannot be loaded as a PKCS#11 module") from error
    names = f"{library.manufacturer_id} {library.library_description} {path.name}".lower()
    parallel = path in _declared or any(word in names for word in _SAFE_IN_PARALLEL)
    shares_state = native.shares_state()
    if shares_state and not parallel:
        return library, native, shares_state, parallel
    if shares_state:
        native.finalize()
    answer = native.initialize_locking() if parallel else native.initialize_plain()
    if answer == CKR_CANT_LOCK:
        answer, parallel = native.initialize_plain(), False
    if answer != CKR_OK:
        raise ModuleUnavailable(f"{path.name} does not initialise (return code 0x{answer:x})")
    return library, native, shares_state, parallel


def _present_tokens(library: "Library") -> list[pkcs11.Token]:
    return [
        token for token in _tokens(library) if TokenFlag.TOKEN_INITIALIZED in TokenFlag(token.flags)
    ]


def _blank_slot(library: "Library") -> pkcs11.Slot | None:
    for token in _tokens(library):
        if TokenFlag.TOKEN_INITIALIZED not in TokenFlag(token.flags):
            return token.slot
    return None


def _tokens(library: "Library") -> list[pkcs11.Token]:
    tokens = []
    for slot in _slots(library):
        try:
            tokens.append(slot.get_token())
        except _GONE_MEANWHILE:
            continue
    return tokens


def _slots(library: "Library") -> list[pkcs11.Slot]:
    """List the slots with a token; again when one of them came or went while they were read."""
    for _ in range(LISTINGS - 1):
        try:
            return library.get_slots(token_present=True)
        except PKCS11Error as error:
            if not isinstance(error, _GONE_MEANWHILE) and not the_list_grew(error):
                raise
    return library.get_slots(token_present=True)


_loading = threading.Lock()
_loaded: dict[Path, Module] = {}


def declare_thread_safe(paths: Iterable[Path]) -> None:
    """Have modules used by many threads at once, on their maker's word and the operator's tests.

    For the whole process; a module that was loaded before stays as it is. One that cannot lock
    gets its one thread all the same.
    """
    _declared.update(path.resolve() for path in paths)


def load(path: Path) -> Module:
    """Load the module at *path*, or give the one this process has already loaded."""
    real = path.resolve()
    with _loading:
        module = _loaded.get(real)
        if module is None:
            module = _loaded[real] = Module(real)
        return module


def _keep_inherited_modules_untouched() -> None:
    """In a forked child, keep each inherited library alive so that no clean-up code calls it.

    Finalising it at the child's exit could talk to the reader over the parent's connection.
    """
    global _loading  # noqa: PLW0603 - a lock that another thread of the parent held stays held
    _loading = threading.Lock()
    for module in _loaded.values():
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(module._library))  # noqa: SLF001 - same file


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep_inherited_modules_untouched)
