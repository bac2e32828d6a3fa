"""Documents that wait for their batch: sent one by one, named by their ids, signed together.

A thousand documents in one request are one broken connection away from being sent again; one by
one only the missing ones are. Each belongs to the caller that sent it, and is removed when its
batch has taken it, or after a day.
"""

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from db.base import uuid7
from signing.batches import BatchFile
from signing.errors import UploadNotFound, UploadsFull

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

KEPT: Final = timedelta(days=1)
MOST: Final = 10_000
"""Documents of one caller that wait at the same time: two of the largest batches."""
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class StagedUpload:
    """A document that waits."""

    id: uuid.UUID
    file_name: str
    sha256: str
    size: int
    expires_at: datetime


class StagedUploads:
    """The waiting documents of an installation, in a folder for each caller."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def add(
        self, file: BinaryIO, file_name: str, *, sha256: str, at: datetime, actor: str
    ) -> StagedUpload:
        """Keep a received document; raises UploadsFull."""
        folder = self._folder(actor)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sum(1 for _ in folder.iterdir()) >= 2 * MOST:
            raise UploadsFull(f"{MOST} documents of yours wait already")
        upload_id = uuid7()
        data = folder / f"{upload_id}.pdf"
        file.seek(0)
        with data.open("xb") as target:
            shutil.copyfileobj(file, target, _CHUNK)
            made = StagedUpload(
                id=upload_id,
                file_name=file_name,
                sha256=sha256,
                size=target.tell(),
                expires_at=at + KEPT,
            )
        told = {**asdict(made), "id": str(made.id), "expires_at": made.expires_at.isoformat()}
        # what is said about it comes last: without it the document is not there
        (folder / f"{upload_id}.json").write_text(json.dumps(told), encoding="utf-8")
        return made

    def get(self, upload_id: uuid.UUID, *, actor: str) -> StagedUpload:
        """Give what is known of one's own upload; raises UploadNotFound."""
        try:
            told = json.loads(self._path(upload_id, actor, "json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError) as error:
            raise UploadNotFound(f"there is no upload {upload_id}") from error
        return StagedUpload(
            id=upload_id,
            file_name=str(told["file_name"]),
            sha256=str(told["sha256"]),
            size=int(told["size"]),
            expires_at=datetime.fromisoformat(told["expires_at"]),
        )

    def files(self, ids: Iterable[uuid.UUID], *, actor: str) -> list[BatchFile]:
        """Give one's own uploads as the documents of a batch; raises UploadNotFound.

        They are opened when they are read, one after the other.
        """
        found = []
        for upload_id in ids:
            known = self.get(upload_id, actor=actor)
            path = self._path(upload_id, actor, "pdf")
            found.append(
                BatchFile(
                    name=known.file_name,
                    file=cast("BinaryIO", io.BufferedReader(_OpenedLate(path))),
                    sha256=known.sha256,
                    size=known.size,
                )
            )
        return found

    def spend(self, ids: Iterable[uuid.UUID], *, actor: str) -> None:
        """Let the documents go that a batch has taken; what they were is kept for repetitions."""
        for upload_id in ids:
            self._path(upload_id, actor, "pdf").unlink(missing_ok=True)

    def remove(self, upload_id: uuid.UUID, *, actor: str) -> None:
        """Forget one's own upload; raises UploadNotFound."""
        self.get(upload_id, actor=actor)
        for kind in ("json", "pdf"):
            self._path(upload_id, actor, kind).unlink(missing_ok=True)

    def sweep(self, *, older_than: datetime) -> int:
        """Remove what was sent before a time; returns how many files."""
        removed = 0
        for path in self._directory.glob("*/*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < older_than.timestamp():
                    path.unlink()
                    removed += 1
        return removed

    def _folder(self, actor: str) -> Path:
        return self._directory / hashlib.sha256(actor.encode()).hexdigest()[:32]

    def _path(self, upload_id: uuid.UUID, actor: str, kind: str) -> Path:
        return self._folder(actor) / f"{upload_id}.{kind}"


class _OpenedLate(io.RawIOBase):
    """A file that is open only while it is read: a batch has more than a process may have open."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: io.FileIO | None = None
        self._position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place counted from the start."""
        if whence != os.SEEK_SET:
            raise io.UnsupportedOperation("only from the start")
        self._position = offset
        return offset

    def readinto(self, into: "WriteableBuffer") -> int:
        """Read on; the file is closed at its end."""
        if self._file is None:
            try:
                self._file = io.FileIO(self._path)
            except FileNotFoundError as error:
                raise UploadNotFound("the upload was used for another batch") from error
        self._file.seek(self._position)
        count = self._file.readinto(into) or 0
        self._position += count
        if not count:
            self._file.close()
            self._file = None
        return count

    def close(self) -> None:
        """Close the file if it is open."""
        if self._file is not None:
            self._file.close()
        super().close()
