"""Batches: one consent, many documents, a result for each - and after a crash it just goes on.

    create   files to the disk, then batch, items, consent and job in one transaction
    run      the files through the walk of one signature (`batch_run`)
    resume   after what stopped everything (token, certificate, time-stamps) is mended

Every item has the id of its sign request before anything happens to it.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db import jobs
from db.base import uuid7
from pdf.options import Level, SignatureOptions
from signing.allowance import Waiting, claim, spend
from signing.batch_record import record
from signing.batch_run import CLOSED
from signing.desk import Desk
from signing.errors import BatchClosed, BatchNotFound, BatchRefused
from signing.models import SignRequest, SignRequestStatus, WhenNoTimestamp
from signing.models_batches import BatchStatus, ItemStatus, SignBatch, SignBatchItem
from signing.signing_keys import certificate_for
from signing.stored_options import options_to_json

JOB: Final = "signing.run_batch"
MOST_FILES: Final = 5000
"""In one batch; the reading that a person consents to does not go beyond it."""


@dataclass(frozen=True, kw_only=True)
class BatchFile:
    """One document of a batch, open for reading, or the upload that it is.

    Digest and size are those it was received with.
    """

    name: str
    file: BinaryIO | Path
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """What is to be signed how; `template` is the stamp's own template as it was sent.

    `uploads` are the documents' ids where they were sent before; the batch takes them.
    """

    certificate_id: uuid.UUID
    options: SignatureOptions
    level: Level | None = None
    when_no_timestamp: WhenNoTimestamp = WhenNoTimestamp.FAIL
    template: dict[str, object] | None = None
    batch_id: uuid.UUID
    uploads: frozenset[uuid.UUID] = frozenset()


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
    CertificateNotFound, CertificateNotUsable, LevelNotOffered, UploadNotFound, AllowanceSpent,
    StorageFull.
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
    more = Waiting(len(files), sum(each.size for each in files))
    desk.documents.space.require(0 if order.uploads else more.size)
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
            if order.uploads:
                spend(session, order.uploads, actor=actor, at=at)
            claim(session, desk.allowance, more, actor=actor, at=at)
            session.add(batch)
            session.flush()
            session.add_all(_items(order.batch_id, files))
            record(session, batch, "sign.batch_consented", at=at, actor=actor)
            _enqueue(session, batch.id)
    except BaseException:
        desk.batches.remove(order.batch_id)
        raise
    return batch


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
        record(session, batch, "sign.batch_resumed", at=at, actor=actor)
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
        record(session, batch, "sign.batch_cancelled", at=at, actor=actor)
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


def _note_holders(session: Session, batch_id: uuid.UUID) -> None:
    """Write down what became of the files that waited for their holder."""
    outcomes = {SignRequestStatus.SIGNED: ItemStatus.SIGNED} | dict.fromkeys(
        CLOSED, ItemStatus.FAILED
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
