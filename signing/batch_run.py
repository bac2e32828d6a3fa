"""Running a batch: every file through the walk of one signature, as often as it takes.

A run that was killed is repeated: what was prepared is signed over the same bytes, what was signed
is only written down, so no file is lost and none signed twice. One process at a time runs a batch,
held by an advisory lock that ends with it.
"""

import hashlib
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import BinaryIO, Final

from sqlalchemy import select, text, update

from ca.errors import CaError
from ca.standing import standing
from db.base import uuid7
from hsm.errors import HsmError
from pdf.errors import PdfError, PreparedStateInvalid, TimestampUnavailable
from pdf.options import SignatureOptions
from signing import sign
from signing.at_once import AtOnce
from signing.batch_record import record
from signing.desk import Desk
from signing.errors import (
    DocumentGone,
    FinishedSpent,
    OutputRefused,
    SigningError,
    StorageFull,
    WorkersBusy,
)
from signing.models import SignRequest, SignRequestStatus
from signing.models_batches import BatchStatus, ItemStatus, SignBatch, SignBatchItem
from signing.prompts import ask_held
from signing.self_check import check_output, is_sample
from signing.sign import SignOrder
from signing.stored_options import options_from_json

AT_ONCE: Final = 4
"""Documents of one batch in work at the same time: one is hashed while another waits for a key."""
CLOSED: Final = frozenset(
    {SignRequestStatus.FAILED, SignRequestStatus.CANCELLED, SignRequestStatus.EXPIRED}
)
# What stops every file and not only one: to try the rest would only fail them all.
_COMMON_CAUSES: Final = (CaError, HsmError, TimestampUnavailable, StorageFull, FinishedSpent)
Clock = Callable[[], datetime]


def run(desk: Desk, batch_id: uuid.UUID, *, clock: Clock, at_once: AtOnce | None = None) -> bool:
    """Sign what is left of a batch; False when another process is at it, or nothing is left.

    With `at_once`, files that nothing has happened to yet take its shorter walk. Raises only what
    keeps the record from being written (the database); every refusal of a file is in its row, and
    what stops all of them pauses the batch.
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
        options = options_from_json(desk.batches.options(batch_id))
        _Run(desk, batch, options, clock, at_once).all(positions)
        return True


class _Run:
    """One run over what is left of a batch."""

    def __init__(
        self,
        desk: Desk,
        batch: SignBatch,
        options: SignatureOptions,
        clock: Clock,
        at_once: AtOnce | None,
    ) -> None:
        self.desk = desk
        self.at_once = at_once
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
            status = self._walked(found)
            if status in CLOSED:
                # closed by time, or by a cause since mended; no signature was ever handed out
                found.request_id = self._renewed(found.position)
                status = self._walked(found)
        except WorkersBusy:
            self.stopped_by = WorkersBusy.code
        except _COMMON_CAUSES as error:
            self.stopped_by = error.code
        except (PdfError, SigningError) as error:
            self._note(found.position, ItemStatus.FAILED, error=error)
        else:
            if status is SignRequestStatus.SIGNED and not self._sound(found):
                return
            holder = status is SignRequestStatus.WAITING
            self._note(found.position, ItemStatus.HOLDER if holder else ItemStatus.SIGNED)

    def _sound(self, found: SignBatchItem) -> bool:
        """Verify samples in full; an output that is refused stops the batch before more are made.

        The document is removed, so that nobody gets it.
        """
        if not is_sample(found.position, self.batch.total):
            return True
        with self.desk.sessions() as session:
            row = session.get_one(SignBatchItem, (self.batch.id, found.position))
            request_id = row.request_id
        try:
            check_output(self.desk, request_id, at=self.clock())
        except OutputRefused as error:
            self.desk.documents.remove(request_id)
            self._note(found.position, ItemStatus.FAILED, error=error)
            self.stopped_by = error.code
            return False
        return True

    def _walked(self, found: SignBatchItem) -> SignRequestStatus:
        """Sign the file, or go on where an earlier run was stopped; give where its request is."""
        with self.desk.sessions() as session:
            known = session.get(SignRequest, found.request_id)
        if known is not None:
            return self._gone_on(known)
        order = SignOrder(
            certificate_id=self.batch.certificate_id,
            file_name=found.file_name,
            options=self.options,
            level=self.options.level,
            when_no_timestamp=self.batch.when_no_timestamp,
            request_id=found.request_id,
            hold=True,  # one question for all of them, at the end
            of_batch=True,
        )
        at, actor = self.clock(), self.batch.actor
        with self.desk.batches.open(self.batch.id, found.position) as source:
            if self._signed_at_once(source, order, at=at):
                return SignRequestStatus.SIGNED
            request = sign.start(self.desk, source, order, at=at, actor=actor)
        if request.status is SignRequestStatus.PREPARED:
            request = sign.sign_now(self.desk, request.id, at=at, actor=actor)
        return request.status

    def _signed_at_once(self, source: BinaryIO, order: SignOrder, *, at: datetime) -> bool:
        if self.at_once is None:
            return False
        found = standing(self.at_once.direct, order.certificate_id)
        found.require_in_force(at=at)
        if not self.at_once.takes(found, order):
            return False
        self.at_once.sign(source, order, found, at=at, actor=self.batch.actor).close()
        return True

    def _gone_on(self, request: SignRequest) -> SignRequestStatus:
        """Go on with a request that an earlier run had made."""
        if request.status is not SignRequestStatus.PREPARED:
            return request.status
        try:
            signed = sign.sign_now(self.desk, request.id, at=self.clock(), actor=self.batch.actor)
        except (DocumentGone, PreparedStateInvalid):
            # the power went before the staged file was on the disk: the request has failed now,
            # and the document itself still waits in the batch's folder
            return SignRequestStatus.FAILED
        return signed.status

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
                record(session, batch, "sign.batch_paused", at=at, actor=batch.actor)
                return
            batch.status, batch.finished_at = BatchStatus.DONE, at
            record(session, batch, "sign.batch_done", at=at, actor=batch.actor)
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
