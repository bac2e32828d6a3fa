"""Documents signed together: those that come at the same time share statements and one thread.

Each document takes the walk of `signing.at_once`, with the same checks in the same order; what is
shared is the asking. Two threads do it in turn, so that one works while the other waits for the
disk:

    begin   one read says how all certificates stand; each document is prepared; one statement
            commits all intents; keys in files sign, in turn
    end     all files are flushed side by side; one statement commits all signatures

A key on a token, and a level that needs a time-stamp, may take long: such a signature is made in a
thread of its own, between the two. What is more than little work to read, or is no case for a
signature at once, is given back to go the longer way. What is wrong with one document is told to
its caller and stops no other; an idle service signs at once, in a group of one.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from io import BufferedRandom
from typing import BinaryIO, Final

from ca.errors import CertificateNotFound
from ca.standing import Standing, standings
from db.errors import StatementFailed
from hsm.key_uri import KeyScheme
from pdf.options import Level
from pdf.prepared import PreparedSignature
from signing.at_once import CLOSED, REFUSALS, AtOnce, Made, Walk, address
from signing.at_once_rows import Values, finish, intend
from signing.documents import flush_to_disk
from signing.errors import SignRequestClosed
from signing.finished import admit
from signing.gathering import Gathering
from signing.sign import SignOrder

FLUSHES: Final = 8
"""Files that are flushed side by side: the disk takes hardly longer for them than for one."""
WORTH_SHARING: Final = 256 * 1024
"""Bytes: a larger document is work of its own, and would keep the others of its group waiting."""


@dataclass(frozen=True)
class Asked:
    """One document, who wants it signed, and when."""

    source: BinaryIO
    size: int
    order: SignOrder
    at: datetime
    actor: str


@dataclass(slots=True)
class _Signing:
    """One document on its way, and the caller that waits for it."""

    asked: Asked
    waiting: "asyncio.Future[bytes | None] | Future[bytes | None]"
    loop: asyncio.AbstractEventLoop | None = None
    """Where the caller waits; None for one that waits in a thread."""
    walk: Walk | None = None
    prepared: PreparedSignature | None = None
    intent: Values | None = None
    made: Made | None = None


_Told = tuple[_Signing, "bytes | Exception | None"]


class Together:
    """Keep one for the life of a process; `keys` signatures that take long are made at once."""

    def __init__(self, at_once: AtOnce, *, keys: int) -> None:
        self._at_once = at_once
        self._desk, self._direct = at_once.desk, at_once.direct
        self._begin = Gathering(_telling(self._begun), name="sign")
        self._end = Gathering(_telling(self._ended), name="signed")
        self._keys = ThreadPoolExecutor(keys, thread_name_prefix="key")
        self._flushing = ThreadPoolExecutor(FLUSHES, thread_name_prefix="flush")

    async def signed(self, asked: Asked) -> bytes | None:
        """Sign a document and return it; None where it has to go the longer way.

        `asked.order.request_id` is a new one. Raises what `AtOnce.sign` raises.
        """
        if asked.size > WORTH_SHARING:
            return None
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes | None] = loop.create_future()
        self._begin.put(_Signing(asked, waiting, loop))
        return await waiting

    def sign(self, asked: Asked) -> bytes | None:
        """Do the same for a caller that waits in a thread."""
        if asked.size > WORTH_SHARING:
            return None
        waiting: Future[bytes | None] = Future()
        self._begin.put(_Signing(asked, waiting))
        return waiting.result()

    def close(self) -> None:
        """End the threads, after what they have begun."""
        self._begin.close()
        self._keys.shutdown()
        self._end.close()
        self._flushing.shutdown()

    def _begun(self, group: Sequence[_Signing]) -> None:
        try:
            wanted = {one.asked.order.certificate_id for one in group}
            found = standings(self._direct, list(wanted))
        except Exception as error:  # noqa: BLE001 -- everybody in the group is told, and raises it
            _tell([(one, error) for one in group])
            return
        ready = []
        for one in group:
            try:
                if self._prepared(one, found.get(one.asked.order.certificate_id)):
                    ready.append(one)
                else:
                    self._forgotten(one, None)
            except Exception as error:  # noqa: BLE001 -- its caller is told, and raises it
                self._forgotten(one, error)
        intended = self._intended(ready)
        for one in intended:
            if not _is_quick(one):
                self._keys.submit(self._signed, [one])
        self._signed([one for one in intended if _is_quick(one)])

    def _prepared(self, one: _Signing, standing: Standing | None) -> bool:
        """Prepare one document; whether it goes this way."""
        order, source = one.asked.order, one.asked.source
        if standing is None:
            raise CertificateNotFound(f"no certificate {order.certificate_id}")
        standing.require_in_force(at=one.asked.at)
        if not self._at_once.takes(standing, order):
            return False
        admit(self._desk, one.asked.size, actor=one.asked.actor, at=one.asked.at)
        staged = self._desk.documents.create_anew(order.request_id)
        one.walk = Walk(self._desk, staged, order, standing, one.asked.at, one.asked.actor)
        one.prepared = one.walk.prepared_here(source)
        if one.prepared is None:
            return False
        one.intent = one.walk.intent(one.prepared)
        return True

    def _intended(self, ready: Sequence[_Signing]) -> list[_Signing]:
        """Commit the intents; whose certificate is not active any more goes the longer way."""
        rows = [one.intent for one in ready if one.intent is not None]
        if not rows:
            return []
        try:
            done = intend(self._direct, rows)
        except Exception as error:  # noqa: BLE001 -- everybody is told; no key has been used
            if len(ready) > 1 and not isinstance(error, StatementFailed):
                # one of them cannot be written, and stops no other
                return [one for each in ready for one in self._intended([each])]
            for one in ready:
                self._forgotten(one, error)
            return []
        for one in ready:
            if one.asked.order.request_id not in done:
                self._forgotten(one, None)  # where it is asked again, and told why
        return [one for one in ready if one.asked.order.request_id in done]

    def _signed(self, ready: Sequence[_Signing]) -> None:
        done = []
        for one in ready:
            walk, prepared = one.walk, one.prepared
            if walk is None or prepared is None:
                continue
            try:
                one.made = walk.sign(prepared)
                done.append(one)
            except Exception as error:  # noqa: BLE001 -- its caller is told, and raises it
                _closed(walk.staged)
                self._failed(one, error)
        self._end.put(*done)

    def _failed(self, one: _Signing, error: Exception) -> None:
        """Close the request of a signature that was refused, and tell its caller."""
        try:
            if one.walk is not None and isinstance(error, REFUSALS):
                one.walk.failed(error)
        except Exception as worse:  # noqa: BLE001 -- its caller is told this instead
            error = worse
        _tell([(one, error)])

    def _ended(self, group: Sequence[_Signing]) -> None:
        """Flush the files, commit the signatures, and give the documents out."""
        files = [one.walk.staged for one in group if one.walk is not None]
        told: list[_Told]
        try:
            others = self._flushing.map(flush_to_disk, files[1:])
            flush_to_disk(files[0])
            list(others)
            pairs = [(one.walk, one.made) for one in group]
            done = finish(self._direct, [walk.end(made) for walk, made in pairs if walk and made])
            told = [
                (one, _content(one) if one.asked.order.request_id in done else _closed_meanwhile())
                for one in group
            ]
        except Exception as error:  # noqa: BLE001 -- everybody in the group is told, and raises it
            told = [(one, error) for one in group]
        for file in files:
            _closed(file)
        _tell(told)

    def _forgotten(self, one: _Signing, why: Exception | None) -> None:
        """Remove what was staged before there was an intent, and tell why."""
        if one.walk is not None:
            _closed(one.walk.staged)
            with suppress(OSError):
                self._desk.documents.remove(one.walk.id)
        _tell([(one, why)])


def _telling(work: Callable[[Sequence[_Signing]], None]) -> Callable[[Sequence[_Signing]], None]:
    """Let nobody wait for work that ended with an error nobody thought of."""

    def told(group: Sequence[_Signing]) -> None:
        try:
            work(group)
        except Exception as error:  # noqa: BLE001 -- everybody in the group is told, and raises it
            for one in group:
                if one.walk is not None:
                    _closed(one.walk.staged)
            _tell([(one, error) for one in group])

    return told


def _is_quick(one: _Signing) -> bool:
    """Whether nothing but this process is needed: a key in a file, and no time-stamp."""
    if one.walk is None or one.prepared is None or one.walk.standing.key_uri is None:
        return False
    in_file = address(one.walk.standing.key_uri).scheme is KeyScheme.SOFT
    return in_file and one.prepared.level is Level.B_B


def _content(one: _Signing) -> bytes:
    if one.walk is None:
        return b""
    one.walk.staged.seek(0)
    return one.walk.staged.read()


def _closed_meanwhile() -> Exception:
    return SignRequestClosed(CLOSED)


def _closed(file: BufferedRandom) -> None:
    with suppress(OSError):
        file.close()


def _tell(told: Sequence[_Told]) -> None:
    """Give each caller its outcome, in its own event loop."""
    by_loop: dict[asyncio.AbstractEventLoop | None, list[_Told]] = {}
    for one, outcome in told:
        by_loop.setdefault(one.loop, []).append((one, outcome))
    _settle(by_loop.pop(None, []))
    for loop, some in by_loop.items():
        if loop is None:
            continue
        with suppress(RuntimeError):  # the event loop has ended, and nobody waits
            loop.call_soon_threadsafe(_settle, some)


def _settle(told: Sequence[_Told]) -> None:
    for one, outcome in told:
        if one.waiting.done():
            continue  # whoever waited has gone
        if isinstance(outcome, StopIteration):  # which a future does not take
            one.waiting.set_exception(RuntimeError(repr(outcome)))
        elif isinstance(outcome, Exception):
            one.waiting.set_exception(outcome)
        else:
            one.waiting.set_result(outcome)
