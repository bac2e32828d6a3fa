"""What `/sign/batches` shows."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from signing.batches import Progress
from signing.models_batches import BatchStatus, ItemStatus, SignBatchItem


class BatchItemOut(BaseModel):
    """The result of one file; `request_id` is the sign request to be completed by its holder."""

    position: int
    file_name: str
    sha256: str
    size: int
    status: ItemStatus
    request_id: uuid.UUID
    error_code: str | None
    error: str | None

    @classmethod
    def of(cls, row: SignBatchItem) -> Self:
        """Show a row."""
        return cls(
            position=row.position,
            file_name=row.file_name,
            sha256=row.document_sha256,
            size=row.document_size,
            status=row.status,
            request_id=row.request_id,
            error_code=row.error_code,
            error=row.error,
        )


class BatchOut(BaseModel):
    """A batch, how far it is, and a page of its results."""

    id: uuid.UUID
    status: BatchStatus
    certificate_id: uuid.UUID
    total: int
    counts: dict[ItemStatus, int]
    manifest_sha256: str
    created_at: datetime
    finished_at: datetime | None
    error_code: str | None
    items: list[BatchItemOut]
    next_cursor: str | None

    @classmethod
    def of(cls, found: Progress, rows: list[SignBatchItem], *, limit: int) -> Self:
        """Show a batch with a page of results; `rows` are one more than `limit` if there are."""
        batch = found.batch
        more = len(rows) > limit
        shown = rows[:limit]
        return cls(
            id=batch.id,
            status=batch.status,
            certificate_id=batch.certificate_id,
            total=batch.total,
            counts=found.counts,
            manifest_sha256=batch.manifest_sha256,
            created_at=batch.created_at,
            finished_at=batch.finished_at,
            error_code=batch.error_code,
            items=[BatchItemOut.of(row) for row in shown],
            next_cursor=str(shown[-1].position) if more else None,
        )
