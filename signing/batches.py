"""Batches: one consent, many documents, a result for each - and after a crash it just goes on.

    create   files to the disk, then batch, items and the consent in one transaction
    run      the files one after the other through the walk of `signing.sign`
    resume   after what stopped everything (token, certificate, time-stamps) is mended

Every item has the id of its sign request before anything happens to it. A run that was killed is
repeated: what was prepared is signed over the same bytes, what was signed is only written down, so
no file is lost and none signed twice. One process at a time runs a batch, held by an advisory lock
that ends with it.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO, Final

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from ca.errors import CaError
from db import audit, jobs
from db.base import uuid7
from hsm.errors import HsmError
from pdf.errors import PdfError, TimestampUnavailable
from pdf.options import Level, SignatureOptions
from signing import sign
from signing.desk import Desk
from signing.errors import (
    BatchClosed,
    BatchNotFound,
    BatchRefused,
    SigningError,
    WorkersBusy,
)
from signing.models import SignRequest, SignRequestStatus, WhenNoTimestamp
from signing.models_batches import BatchStatus, ItemStatus, SignBatch, SignBatchItem
from signing.prompts import ask_held
from signing.sign import SignOrder
from signing.signing_keys import certificate_for
from signing.stored_options import options_from_json, options_to_json

JOB: Final = "signing.run_batch"
MOST_FILES: Final = 5000
"""In one batch; the reading that a person consents to does not go beyond it."""
AT_ONCE: Final = 4
"""Documents of one batch in work at the same time: one is hashed while another waits for a key."""
_CLOSED: Final = frozenset(
    {SignRequestStatus.FAILED, SignRequestStatus.CANCELLED, SignRequestStatus.EXPIRED}
)
# What stops every file and not only one: to try the rest would only fail them all.
_COMMON_CAUSES: Final = (CaError, HsmError, TimestampUnavailable)
Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True)
class BatchFile:
    """One document of a batch, open for reading; digest and size as they were received."""

    name: str
    file: BinaryIO
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """What is to be signed how; `template` is the stamp's own template as it was sent."""

    certificate_id: uuid.UUID
    options: SignatureOptions
    level: Level | None = None
    when_no_timestamp: WhenNoTimestamp = WhenNoTimestamp.FAIL
    template: dict[str, object] | None = None
    batch_id: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A batch and how many of its files are where."""

    batch: SignBatch
    counts: dict[ItemStatus, int]


def create(
    desk: Desk, order: BatchOrder, files: Sequence[BatchFile], *, at: datetime, actor: str
) -> SignBatch:
    """Take the documents and the consent; nothing is signed yet.

    An order that was given before returns the batch it made then. Raises BatchRefused,
    CertificateNotFound, CertificateNotUsable, LevelNotOffered.
    """
    if not 1 <= len(files) <= MOST_FILES:
        raise BatchRefused(f"a batch has 1 to {MOST_FILES} documents")
    level = desk.policy.level(order.level)
    with desk.sessions() as session:
        known = session.get(SignBatch, order.batch_id)
        if known is not None:
            return _own(known, order.batch_id, actor)
        signer = certificate_for(session, order.certificate_id, at=at)
    stored = options_to_json(
        replace(order.options, level=level, signing_time=at), template=order.template
    )
    desk.batches.fill(order.batch_id, stored, (each.file for each in files))
    batch = SignBatch(
        id=order.batch_id,
        status=BatchStatus.RUNNING,
        actor=actor,
        certificate_id=signer.row.id,
        organization_id=signer.row.organization_id,
        total=len(files),
        manifest_sha256=_manifest(files),
        created_at=at,
        when_no_timestamp=order.when_no_timestamp,
    )
    try:
        with desk.sessions.begin() as session:
            session.add(batch)
            session.flush()
            session.add_all(_items(order.batch_id, files))
            _record(session, batch, "sign.batch_consented", at=at, actor=actor)
            _enqueue(session, batch.id)
    except BaseException:
        desk.batches.remove(order.batch_id)
        raise
    return batch


def run(desk: Desk, batch_id: uuid.UUID, *, clock: Clock) -> bool:
    """Sign what is left of a batch; False when another process is at it, or nothing is left.

    Raises only what keeps the record from being written (the database); every refusal of a file is
    in its row, and what stops all of them pauses the batch.
    """
    with _lock(desk, batch_id) as held:
        if not held:
            return False
        with desk.sessions() as session:
            batch = session.get(SignBatch, batch_id)
            if batch is None or batch.status is not BatchStatus.RUNNING:
                return False
            positions = list(
                session.scalars(
                    select(SignBatchItem.position)
                    .where(
                        SignBatchItem.batch_id == batch_id,
                        SignBatchItem.status == ItemStatus.WAITING,
                    )
                    .order_by(SignBatchItem.position)
                )
            )
        work = _Run(desk, batch, options_from_json(desk.batches.options(batch_id)), clock)
        work.all(positions)
        return True


def progress(session: Session, batch_id: uuid.UUID, *, actor: str) -> Progress:
    """Return one's own batch and its counts; what holders have signed meanwhile is counted."""
    batch = _own(session.get(SignBatch, batch_id), batch_id, actor)
    _note_holders(session, batch_id)
    rows = session.execute(
        select(SignBatchItem.status, func.count())
        .where(SignBatchItem.batch_id == batch_id)
        .group_by(SignBatchItem.status)
    )
    counts = dict.fromkeys(ItemStatus, 0)
    counts.update((status, number) for status, number in rows)
    return Progress(batch=batch, counts=counts)


def items(
    session: Session,
    batch_id: uuid.UUID,
    *,
    after: int = -1,
    limit: int = 100,
    status: ItemStatus | None = None,
) -> list[SignBatchItem]:
    """Return results in the order of the files, those behind position `after`."""
    query = select(SignBatchItem).where(
        SignBatchItem.batch_id == batch_id, SignBatchItem.position > after
    )
    if status is not None:
        query = query.where(SignBatchItem.status == status)
    return list(session.scalars(query.order_by(SignBatchItem.position).limit(limit)))


def item(session: Session, batch_id: uuid.UUID, position: int, *, actor: str) -> SignBatchItem:
    """Return one file of one's own batch; raises BatchNotFound."""
    _own(session.get(SignBatch, batch_id), batch_id, actor)
    found = session.get(SignBatchItem, (batch_id, position))
    if found is None:
        raise BatchNotFound(f"batch {batch_id} has no document {position}")
    return found


def resume(session: Session, batch_id: uuid.UUID, *, at: datetime, actor: str) -> SignBatch:
    """Let a paused batch go on; one that runs or is done is returned as it is."""
    batch = _own(session.get(SignBatch, batch_id, with_for_update=True), batch_id, actor)
    if batch.status is BatchStatus.CANCELLED:
        raise BatchClosed("the batch was cancelled")
    if batch.status is BatchStatus.PAUSED:
        batch.status, batch.error_code = BatchStatus.RUNNING, None
        _record(session, batch, "sign.batch_resumed", at=at, actor=actor)
        _enqueue(session, batch.id)
    return batch


def cancel(desk: Desk, batch_id: uuid.UUID, *, at: datetime, actor: str) -> SignBatch:
    """Give up the files that are not signed yet; what is signed stays signed."""
    with desk.sessions.begin() as session:
        batch = _own(session.get(SignBatch, batch_id, with_for_update=True), batch_id, actor)
        if batch.status in {BatchStatus.DONE, BatchStatus.CANCELLED}:
            return batch
        session.execute(
            update(SignBatchItem)
            .where(
                SignBatchItem.batch_id == batch_id,
                SignBatchItem.status.in_([ItemStatus.WAITING, ItemStatus.HOLDER]),
            )
            .values(status=ItemStatus.CANCELLED)
        )
        batch.status, batch.finished_at = BatchStatus.CANCELLED, at
        _record(session, batch, "sign.batch_cancelled", at=at, actor=actor)
    desk.batches.remove(batch_id)
    return batch


def take_up(desk: Desk) -> int:
    """Put every batch with work left on the queue, also what a crash left; returns how many."""
    with desk.sessions.begin() as session:
        query = select(SignBatch.id).where(SignBatch.status == BatchStatus.RUNNING)
        found = list(session.scalars(query.order_by(SignBatch.id)))
        for batch_id in found:
            _enqueue(session, batch_id)
    return len(found)


def _enqueue(session: Session, batch_id: uuid.UUID) -> None:
    jobs.enqueue(session, job=JOB, payload={"batch_id": str(batch_id)}, unique=str(batch_id))


class _Run:
    """One run over what is left of a batch."""

    def __init__(
        self, desk: Desk, batch: SignBatch, options: SignatureOptions, clock: Clock
    ) -> None:
        self.desk = desk
        self.batch = batch
        self.options = options
        self.clock = clock
        self.stopped_by: str | None = None

    def all(self, positions: Sequence[int]) -> None:
        """Sign the files and write down how the batch ended."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="batch") as threads:
            for _ in threads.map(self._unless_stopped, positions):
                pass
        if self.stopped_by is None:
            self._ask_the_holder()
        self._close()

    def _ask_the_holder(self) -> None:
        """Ask a phone or service for what waits, with as few PINs as its provider allows."""
        with self.desk.sessions.begin() as session:
            held = list(
                session.scalars(
                    select(SignBatchItem.request_id)
                    .where(
                        SignBatchItem.batch_id == self.batch.id,
                        SignBatchItem.status == ItemStatus.HOLDER,
                    )
                    .order_by(SignBatchItem.position)
                )
            )
            ask_held(self.desk, session, held, at=self.clock())

    def _unless_stopped(self, position: int) -> None:
        if self.stopped_by is not None:
            return
        with self.desk.sessions() as session:
            status = session.scalar(select(SignBatch.status).where(SignBatch.id == self.batch.id))
            found = session.get_one(SignBatchItem, (self.batch.id, position))
        if status is not BatchStatus.RUNNING:
            self.stopped_by = "cancelled"
            return
        if found.status is ItemStatus.WAITING:
            self._one(found)

    def _one(self, found: SignBatchItem) -> None:
        """Take one file through the walk; whatever refuses it is its result."""
        try:
            request = self._walked(found)
            if request.status in _CLOSED:
                # closed by time, or by a cause since mended; no signature was ever handed out
                found.request_id = self._renewed(found.position)
                request = self._walked(found)
        except WorkersBusy:
            self.stopped_by = WorkersBusy.code
        except _COMMON_CAUSES as error:
            self.stopped_by = error.code
        except (PdfError, SigningError) as error:
            self._note(found.position, ItemStatus.FAILED, error=error)
        else:
            holder = request.status is SignRequestStatus.WAITING
            self._note(found.position, ItemStatus.HOLDER if holder else ItemStatus.SIGNED)

    def _walked(self, found: SignBatchItem) -> SignRequest:
        order = SignOrder(
            certificate_id=self.batch.certificate_id,
            file_name=found.file_name,
            options=self.options,
            level=self.options.level,
            when_no_timestamp=self.batch.when_no_timestamp,
            request_id=found.request_id,
            hold=True,  # one question for all of them, at the end
        )
        actor = self.batch.actor
        with self.desk.batches.open(self.batch.id, found.position) as source:
            request = sign.start(self.desk, source, order, at=self.clock(), actor=actor)
        if request.status is SignRequestStatus.PREPARED:
            request = sign.sign_now(self.desk, request.id, at=self.clock(), actor=actor)
        return request

    def _renewed(self, position: int) -> uuid.UUID:
        fresh = uuid7()
        self._update(position, request_id=fresh)
        return fresh

    def _note(
        self,
        position: int,
        status: ItemStatus,
        *,
        error: PdfError | SigningError | None = None,
    ) -> None:
        told = None if error is None else " ".join(str(error).split())[:500]
        self._update(position, status=status, error=told, error_code=error.code if error else None)

    def _update(self, position: int, **values: object) -> None:
        with self.desk.sessions.begin() as session:
            session.execute(
                update(SignBatchItem)
                .where(
                    SignBatchItem.batch_id == self.batch.id,
                    SignBatchItem.position == position,
                    SignBatchItem.status == ItemStatus.WAITING,
                )
                .values(**values)
            )

    def _close(self) -> None:
        at = self.clock()
        with self.desk.sessions.begin() as session:
            batch = session.get_one(SignBatch, self.batch.id, with_for_update=True)
            if batch.status is not BatchStatus.RUNNING:
                return
            if self.stopped_by == WorkersBusy.code:
                return
            if self.stopped_by is not None:
                batch.status, batch.error_code = BatchStatus.PAUSED, self.stopped_by
                _record(session, batch, "sign.batch_paused", at=at, actor=batch.actor)
                return
            batch.status, batch.finished_at = BatchStatus.DONE, at
            _record(session, batch, "sign.batch_done", at=at, actor=batch.actor)
        self.desk.batches.remove(self.batch.id)


@contextmanager
def _lock(desk: Desk, batch_id: uuid.UUID) -> Iterator[bool]:
    """Hold the batch for this process; the lock ends with its connection, however that ends."""
    key = int.from_bytes(hashlib.sha256(b"batch" + batch_id.bytes).digest()[:8], signed=True)
    with desk.sessions() as session:
        connection = session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        held = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        try:
            yield bool(held)
        finally:
            if held:
                connection.scalar(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _note_holders(session: Session, batch_id: uuid.UUID) -> None:
    """Write down what became of the files that waited for their holder."""
    outcomes = {SignRequestStatus.SIGNED: ItemStatus.SIGNED} | dict.fromkeys(
        _CLOSED, ItemStatus.FAILED
    )
    rows = session.execute(
        select(SignBatchItem, SignRequest)
        .join(SignRequest, SignRequest.id == SignBatchItem.request_id)
        .where(SignBatchItem.batch_id == batch_id, SignBatchItem.status == ItemStatus.HOLDER)
    )
    for found, request in rows:
        if request.status in outcomes:
            found.status = outcomes[request.status]
            if found.status is ItemStatus.FAILED:
                found.error_code = request.error_code or "sign_request_closed"
    session.flush()


def _items(batch_id: uuid.UUID, files: Sequence[BatchFile]) -> Iterator[SignBatchItem]:
    for position, each in enumerate(files):
        yield SignBatchItem(
            batch_id=batch_id,
            position=position,
            file_name=each.name,
            document_sha256=each.sha256,
            document_size=each.size,
            request_id=uuid7(),
            status=ItemStatus.WAITING,
        )


def _manifest(files: Sequence[BatchFile]) -> str:
    lines = "".join(f"{each.sha256}  {each.name}\n" for each in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _own(batch: SignBatch | None, batch_id: uuid.UUID, actor: str) -> SignBatch:
    if batch is None or batch.actor != actor:
        raise BatchNotFound(f"there is no batch {batch_id}")
    return batch


def _record(session: Session, batch: SignBatch, action: str, *, at: datetime, actor: str) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="sign_batch",
        object_id=str(batch.id),
        after={
            "status": batch.status,
            "certificate": str(batch.certificate_id),
            "total": batch.total,
            "manifest_sha256": batch.manifest_sha256,
            "error": batch.error_code,
        },
    )
