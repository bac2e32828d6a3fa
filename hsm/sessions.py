"""The pool of sessions on one token, with key handles found once in each.

Opening a session, logging in and searching a key costs several times the signature itself, so all
three happen once. A session that failed is closed, never reused; when the failure looks like a
stale handle, every session is replaced and the operation is tried once more. PIN matters are never
tried again (see :mod:`hsm.login`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import pkcs11
from pkcs11.exceptions import PKCS11Error, SessionCount

from hsm.errors import DeviceFailure, HsmError, KeyNotFound, ModuleUnavailable, TokenRemoved
from hsm.faults import (
    StaleSession,
    a_fresh_session_may_help,
    a_pin_was_refused,
    the_module_must_restart,
    translate,
)
from hsm.login import TokenLogin, close_quietly
from hsm.modules import Module
from hsm.objects import KeyReference, SigningHandle, find_key
from hsm.policy import LoginPolicy

T = TypeVar("T")

POOL_FAST: Final = 16
"""Sessions at most on a token that signs within milliseconds: more would only wait in line."""
POOL_SLOW: Final = 64
"""Sessions at most on a token that takes 10 ms or more, where threads wait without cost."""
SLOW_SECONDS: Final = 0.010
REMOVAL_SHOWS: Final = 0.6
"""Seconds within which a reader notices that its token is gone; card services look every 0.4 s."""
WAIT_SECONDS: Final = 60.0
"""How long an operation waits for a free session before it gives up."""


@dataclass(slots=True)
class PooledSession:
    """An open session and the key handles found in it.

    *generation* is the module's, *life* the pool's: both must be current for the handle to count.
    """

    session: pkcs11.Session
    generation: int
    life: int
    keys: dict[KeyReference, SigningHandle] = field(default_factory=dict)

    def key(self, reference: KeyReference) -> SigningHandle:
        """Give the private key's handle, searched once per session."""
        key = self.keys.get(reference)
        if key is None:
            key = self.keys[reference] = find_key(self.session, reference)
        return key


class Several(int):
    """How many operations a run was that did several of them; only its figures care."""


@dataclass(slots=True)
class TokenFigures:
    """What happened on a token since this process first used it. Counts, not a ledger."""

    operations: int = 0
    failures: int = 0
    wrong_signatures: int = 0
    reopened: int = 0
    failovers: int = 0
    last_error: str | None = None
    seconds: float = 0.0
    """What an undisturbed operation takes: a minimum that forgets, rising by a tenth at a time.

    An average would count waiting for a busy processor as slowness of the token.
    """

    def took(self, seconds: float, result: object = None) -> None:
        """Count an operation, or the several that its result speaks of."""
        count = result if isinstance(result, Several) else 1
        self.operations += count
        each = seconds / max(1, count)
        self.seconds = min(each, self.seconds * 1.1) if self.seconds else each


class TokenSessions:
    """Login and sessions of one token. :func:`sessions_of` gives the process's only one."""

    def __init__(self, module: Module, serial: str, label: str, policy: LoginPolicy) -> None:
        self.module = module
        self.login = TokenLogin(module, serial, label, policy)
        self.figures = TokenFigures()
        self._renewing = threading.Lock()
        # The bare lock on the way of every signature; the condition only where somebody waits.
        self._lock = threading.Lock()
        self._pool = threading.Condition(self._lock)
        self._waiting = 0
        self._idle: list[PooledSession] = []
        self._open = 0
        self._cap = POOL_SLOW
        self._life = 0
        self._held_back = False
        self._users: set[int] = set()

    @property
    def open_sessions(self) -> int:
        """Pooled sessions that are open, busy or idle."""
        return self._open

    def run(self, operation: Callable[[PooledSession], T]) -> T:
        """Run *operation* on a session of its own; once more when a fresh session may help.

        Raises an HsmError: whatever the binding raised is translated, with the original as cause.
        """
        self.module.check_process()
        life = self._life
        try:
            return self._attempt(operation)
        except (KeyNotFound, DeviceFailure, PKCS11Error, StaleSession) as error:
            return self._mended(error, operation, life)

    def _mended(self, error: Exception, operation: Callable[[PooledSession], T], life: int) -> T:
        """Try once more what failed, where that may help; else raise what it means."""
        try:
            self._prepare_again(error, life)
            return self._attempt(operation)
        except (PKCS11Error, StaleSession) as again:
            self._note(again)
            failure = translate(again, token=self.login.name)
            raise self._told(failure) from again
        except DeviceFailure as failure:
            raise self._told(failure) from failure.__cause__

    def _prepare_again(self, error: Exception, life: int) -> None:
        if isinstance(error, HsmError):
            # Private keys also vanish when other code of this process logged out.
            if isinstance(error, KeyNotFound) and self.login.was_lost():
                return
            raise error
        self._note(error)
        if a_pin_was_refused(error):
            self.login.distrust()
        if not a_fresh_session_may_help(error):
            raise translate(error, token=self.login.name) from error
        self._renew(life, restart=the_module_must_restart(error))

    def _told(self, failure: HsmError) -> HsmError:
        """Tell a failure as a removal where it is one: it shows itself under many names."""
        if isinstance(failure, DeviceFailure) and self._was_removed():
            return TokenRemoved(f"token {self.login.name} is not there any more")
        return failure

    def _was_removed(self) -> bool:
        """Whether a failure was a removal: a reader takes its time to say so."""
        if self.login.policy is LoginPolicy.HELD:
            return not self.login.is_there()
        deadline = time.monotonic() + REMOVAL_SHOWS
        while self.login.is_there():
            if time.monotonic() > deadline:
                return False
            time.sleep(REMOVAL_SHOWS / 10)
        return True

    def run_writable(self, operation: Callable[[pkcs11.Session], T]) -> T:
        """Run *operation* on a read-write session of its own, once: it may leave objects behind."""
        try:
            if self.login.policy is LoginPolicy.EACH_TIME:
                with self.login.once() as anchor:
                    return self._written(anchor.token, operation)
            return self._written(self.login.token(), operation)
        except (PKCS11Error, StaleSession) as error:
            self._note(error)
            raise translate(error, token=self.login.name) from error

    def _written(self, token: pkcs11.Token, operation: Callable[[pkcs11.Session], T]) -> T:
        generation = self.module.generation
        session = self.module.call(
            lambda chosen: chosen.open(rw=True), token, generation=generation
        )
        try:
            return self.module.call(operation, session, generation=generation)
        finally:
            close_quietly(self.module, session, generation)

    def _attempt(self, operation: Callable[[PooledSession], T]) -> T:
        if self.login.policy is LoginPolicy.EACH_TIME:
            return self._attempt_once(operation)
        pooled = self._borrow()
        started = time.perf_counter()
        try:
            result = self.module.call(operation, pooled, generation=pooled.generation)
        except KeyNotFound:
            self._give_back(pooled)
            raise
        except BaseException:
            self._discard(pooled)
            raise
        self.figures.took(time.perf_counter() - started, result)
        self._give_back(pooled)
        return result

    def _attempt_once(self, operation: Callable[[PooledSession], T]) -> T:
        with self.login.once() as session:
            generation = self.module.generation
            pooled = PooledSession(session, generation, self._life)
            started = time.perf_counter()
            result = self.module.call(operation, pooled, generation=generation)
            self.figures.took(time.perf_counter() - started, result)
            return result

    def _borrow(self) -> PooledSession:
        with self._lock:
            idle = self._idle.pop() if self._idle and not self._held_back else self._waited_for()
        if idle is not None:
            return idle
        try:
            return self._fresh()
        except SessionCount:
            # The token itself allows no more: remember how many it bore, and wait for one.
            bearable = self._open - 1
            self._forget(cap=max(1, bearable))
            if not bearable:
                raise
            return self._borrow()
        except BaseException:
            self._forget()
            raise

    def _waited_for(self) -> PooledSession | None:
        """Wait for a session that comes back; None when another may be opened. Under the lock."""
        deadline = time.monotonic() + WAIT_SECONDS
        self._waiting += 1
        try:
            while self._held_back or not self._idle:
                if not self._held_back and self._open < self._limit():
                    self._open += 1
                    return None
                if not self._pool.wait(deadline - time.monotonic()):
                    raise DeviceFailure(f"token {self.login.name} is busy")
            return self._idle.pop()
        finally:
            self._waiting -= 1

    def _limit(self) -> int:
        if not self.module.parallel:
            return 1
        return min(self._cap, POOL_SLOW if self.figures.seconds >= SLOW_SECONDS else POOL_FAST)

    def _fresh(self) -> PooledSession:
        life = self._life
        token = self.login.token()
        generation = self.module.generation
        session = self.module.call(lambda chosen: chosen.open(), token, generation=generation)
        return PooledSession(session, generation, life)

    def _give_back(self, pooled: PooledSession) -> None:
        with self._lock:
            # Looked at under the lock: who ends a life empties the pool after that, under it too.
            current = pooled.life == self._life
            if current:
                self._idle.append(pooled)
                if self._waiting:
                    self._pool.notify()
        if not current:
            self._discard(pooled)

    def _discard(self, pooled: PooledSession) -> None:
        close_quietly(self.module, pooled.session, pooled.generation)
        self._forget()

    def _forget(self, cap: int | None = None) -> None:
        with self._pool:
            self._open -= 1
            self._cap = self._cap if cap is None else cap
            self._pool.notify()

    def _renew(self, life: int, *, restart: bool) -> None:
        """Replace every session of life *life*; the first thread that comes does it for all."""
        with self._renewing:
            if life != self._life:
                return
            generation = self.module.generation
            self._life += 1
            self._drop_idle()
            self.login.drop_anchor()
            if restart:
                # Away for now: the next attempt says so, and a later one starts it again.
                with suppress(ModuleUnavailable):
                    self.module.restart(generation)
            self.figures.reopened += 1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every session of the token closed for a while; operations that come then wait.

        A security officer can log in only when no session is open (PKCS#11 2.40, 5.6).
        """
        with self._renewing:
            with self._pool:
                self._held_back = True
            try:
                self._life += 1
                self._drop_idle()
                with self._pool:
                    if not self._pool.wait_for(lambda: not self._open, timeout=WAIT_SECONDS):
                        raise DeviceFailure(f"token {self.login.name} is busy")
                with self.login.apart():
                    yield
            finally:
                with self._pool:
                    self._held_back = False
                    self._pool.notify_all()

    def _drop_idle(self) -> None:
        with self._pool:
            idle, self._idle = self._idle, []
        for pooled in idle:
            self._discard(pooled)

    def _note(self, error: Exception) -> None:
        self.figures.failures += 1
        self.figures.last_error = type(error).__name__

    def attach(self, user: object) -> None:
        """Count *user* (a key store) among those that keep the token open."""
        with self._renewing:
            self._users.add(id(user))

    def detach(self, user: object) -> None:
        """Let *user* go; the last one closes the sessions and logs out."""
        with self._renewing:
            self._users.discard(id(user))
            if self._users:
                return
            self._life += 1
            self._drop_idle()
            self.login.close()


_registry_lock = threading.Lock()
_registry: dict[tuple[Path, str], TokenSessions] = {}


def sessions_of(module: Module, *, serial: str, label: str, policy: LoginPolicy) -> TokenSessions:
    """Give the one pool of this process for that token; a login could not be shared otherwise.

    The first caller's *policy* stays, for the same reason.
    """
    with _registry_lock:
        key = (module.path, serial)
        found = _registry.get(key)
        if found is None:
            found = _registry[key] = TokenSessions(module, serial, label, policy)
        return found
