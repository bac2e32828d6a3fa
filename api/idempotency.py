"""One answer for one Idempotency-Key, also when the server dies between the question and it.

The key is claimed in the database before the work begins, together with the id that the work's
object will have. A process proves that it is still alive by an advisory lock held on a connection
of its own: when that lock is free, the attempt is known to be dead without waiting for a lease, and
the next request with the key takes over, finds the object by its id, and goes on from there. What
the process itself is at work on it knows; a claim of its own beyond that was left by a call that
lost the database, and is taken over, too.

Answers are small JSON; a signed document is referred to by its request, never copied. An error
gives the claim back, because nothing was done, or because the second attempt can go on.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, LiteralString

from sqlalchemy import Select, delete, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from api.errors import IdempotencyInProgress, IdempotencyKeyReused, ParameterInvalid
from api.models import IdempotencyRecord
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Engine
    from sqlalchemy.orm import Session, sessionmaker

    from db.direct import Direct

MAX_KEY_CHARACTERS = 255
RETRY_AFTER_SECONDS = 1
_RUNNING: Final = "the first request with this Idempotency-Key still runs"
_CLAIM: Final[LiteralString] = """
INSERT INTO idempotency_records (id, actor, key, request_sha256, object_id, owner, created_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (actor, key) DO NOTHING RETURNING id
"""
_FINISH: Final[LiteralString] = """
UPDATE idempotency_records SET answer = %s::json, owner = NULL WHERE id = %s AND owner = %s
"""


class Pulse:
    """This process's sign of life: an advisory lock for as long as the process lives."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._lock_of_working = threading.Lock()
        self._connection: Connection | None = None
        self._working: set[tuple[str, str]] = set()
        self.owner = secrets.randbits(62)

    def beat(self) -> int:
        """Make sure that the lock is held, and return its number."""
        with self._lock:
            if self._connection is not None:
                try:
                    self._connection.execute(text("SELECT 1"))
                except SQLAlchemyError:
                    self._connection.invalidate()
                    self._connection.close()
                    self._connection = None
            if self._connection is None:
                connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                connection.execute(select(func.pg_advisory_lock(self.owner)))
                self._connection = connection
        return self.owner

    @contextmanager
    def working(self, actor: str, key: str) -> Iterator[bool]:
        """Be the only one in this process with a caller's key; whether one is."""
        mine = (actor, key)
        with self._lock_of_working:
            alone = mine not in self._working
            self._working.add(mine)
        try:
            yield alone
        finally:
            if alone:
                self._working.discard(mine)

    def close(self) -> None:
        """Give the lock back, at the end of the process."""
        with self._lock:
            if self._connection is not None:
                self._connection.invalidate()
                self._connection.close()
                self._connection = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was answered; `document` names a sign request whose file is the body."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    document: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at the work; `resumed` when an earlier try with this key got lost on the way."""

    object_id: uuid.UUID
    resumed: bool = False
    record_id: uuid.UUID | None = None
    owner: int | None = None

    def renewed(self, sessions: sessionmaker[Session]) -> Attempt:
        """Reserve another object id, when what the lost try made is closed and no use."""
        object_id = uuid7()
        with sessions.begin() as session:
            session.execute(
                update(IdempotencyRecord)
                .where(IdempotencyRecord.id == self.record_id)
                .values(object_id=object_id)
            )
        return replace(self, object_id=object_id, resumed=False)

    def finish(self, session: Session, answer: Answer) -> None:
        """Store the answer in the caller's transaction, so that both are there or neither."""
        if self.record_id is None:
            return
        session.execute(
            update(IdempotencyRecord)
            .where(IdempotencyRecord.id == self.record_id, IdempotencyRecord.owner == self.owner)
            .values(answer=_to_json(answer), owner=None)
        )

    def finish_alone(self, direct: Direct, answer: Answer) -> None:
        """Store the answer of work that is committed already, in a statement of its own."""
        if self.record_id is not None:
            told = json.dumps(_to_json(answer))
            direct.write(_FINISH, (told, self.record_id, self.owner))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """Whose key it is, and what it was sent with."""

    actor: str
    key: str | None
    request_sha256: str
    at: datetime


def fingerprint(*parts: object) -> str:
    """Return the SHA-256 of what makes two requests the same: call, options, file digest."""
    canonical = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def once(
    sessions: sessionmaker[Session],
    direct: Direct,
    pulse: Pulse,
    keyed: Keyed,
    act: Callable[[Attempt], Answer],
) -> Answer:
    """Do the work once for a key, or return the answer of the first time.

    `act` calls `attempt.finish` inside its last transaction, or `attempt.finish_alone` after it.
    Without a key it is simply done.
    """
    if keyed.key is None:
        return act(Attempt(uuid7()))
    if not 1 <= len(keyed.key) <= MAX_KEY_CHARACTERS:
        raise ParameterInvalid("Idempotency-Key", f"1 to {MAX_KEY_CHARACTERS} characters expected")
    with pulse.working(keyed.actor, keyed.key) as alone:
        if not alone:
            return _told_already(sessions, keyed)
        claimed = _claim(sessions, direct, keyed, owner=pulse.beat())
        if isinstance(claimed, Answer):
            return claimed
        try:
            return act(claimed)
        except BaseException:
            _give_back(sessions, claimed)
            raise


def purge(session: Session, *, older_than: datetime) -> int:
    """Forget keys from before a time; returns how many."""
    gone = session.scalars(
        delete(IdempotencyRecord)
        .where(IdempotencyRecord.created_at < older_than)
        .returning(IdempotencyRecord.id)
    ).all()
    return len(gone)


def _told_already(sessions: sessionmaker[Session], keyed: Keyed) -> Answer:
    """Return the answer that is there; raises IdempotencyInProgress while there is none."""
    with sessions() as session:
        record = session.scalar(_of(keyed))
    answer = None if record is None else _answer_of(record, keyed)
    if answer is None:
        raise IdempotencyInProgress(_RUNNING)
    return answer


def _claim(
    sessions: sessionmaker[Session], direct: Direct, keyed: Keyed, *, owner: int
) -> Attempt | Answer:
    record_id, object_id = uuid7(), uuid7()
    now = keyed.at
    values = (record_id, keyed.actor, keyed.key, keyed.request_sha256, object_id, owner, now)
    if direct.write(_CLAIM, values):
        return Attempt(object_id, record_id=record_id, owner=owner)
    with sessions.begin() as session:
        return _take_over(session, keyed, owner=owner)


def _take_over(session: Session, keyed: Keyed, *, owner: int) -> Attempt | Answer:
    record = session.scalars(_of(keyed).with_for_update()).one()
    answer = _answer_of(record, keyed)
    if answer is not None:
        return answer
    if record.owner not in {None, owner} and not session.scalar(
        select(func.pg_try_advisory_xact_lock(record.owner))
    ):
        raise IdempotencyInProgress(_RUNNING)
    record.owner = owner
    session.flush()
    return Attempt(record.object_id, resumed=True, record_id=record.id, owner=owner)


def _of(keyed: Keyed) -> Select[IdempotencyRecord]:
    return select(IdempotencyRecord).where(
        IdempotencyRecord.actor == keyed.actor, IdempotencyRecord.key == keyed.key
    )


def _answer_of(record: IdempotencyRecord, keyed: Keyed) -> Answer | None:
    if record.request_sha256 != keyed.request_sha256:
        raise IdempotencyKeyReused("this Idempotency-Key came before with another request")
    return None if record.answer is None else _from_json(record.answer)


def _give_back(sessions: sessionmaker[Session], attempt: Attempt) -> None:
    with sessions.begin() as session:
        session.execute(
            update(IdempotencyRecord)
            .where(
                IdempotencyRecord.id == attempt.record_id,
                IdempotencyRecord.owner == attempt.owner,
            )
            .values(owner=None)
        )


def _to_json(answer: Answer) -> dict[str, object]:
    return {
        "status": answer.status,
        "body": answer.body,
        "headers": dict(answer.headers),
        "document": answer.document,
    }


def _from_json(stored: Mapping[str, object]) -> Answer:
    status, headers, document = stored["status"], stored["headers"], stored["document"]
    return Answer(
        status=status if isinstance(status, int) else 200,
        body=stored["body"],
        headers={str(k): str(v) for k, v in headers.items()} if isinstance(headers, dict) else {},
        document=str(document) if document is not None else None,
    )
