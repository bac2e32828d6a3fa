"""Documents that wait for their batch: sent one by one, named by their ids, signed together.

A thousand documents in one request are one broken connection away from being sent again; one by
one only the missing ones are. Each belongs to the caller that sent it, and is removed when its
batch has taken it, or after a day.

Its room is claimed before its first byte is written, and its file has no name before its last one
is: whoever is cut off leaves at most a claim, which ends with the day. There is no entry in the
audit log, since nothing is agreed to yet; the consent to a batch has one.
"""

import hashlib
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from sqlalchemy import ColumnElement, delete, select

from db.base import uuid7
from signing import allowance
from signing.allowance import Waiting
from signing.batches import BatchFile
from signing.desk import Desk
from signing.documents import place
from signing.errors import UploadNotFound
from signing.models_kept import KeptAs, KeptDocument

KEPT: Final = timedelta(days=1)


class StagedUploads:
    """The waiting documents of an installation, in a folder for each caller."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._directory = desk.documents.folder / "uploads"

    def require_room(self, size: int, *, at: datetime, actor: str) -> None:
        """Refuse early what would not fit now; raises AllowanceSpent, StorageFull."""
        self._desk.documents.space.require(size)
        with self._desk.sessions() as session:
            more = Waiting(1, size)
            allowance.require(session, self._desk.allowance, more, actor=actor, at=at)

    def add(self, file: BinaryIO, made: KeptDocument) -> KeptDocument:
        """Keep a received document as `upload_of` describes it.

        Raises AllowanceSpent, StorageFull; nothing is left of it then.
        """
        self._desk.documents.space.require(made.size)
        with self._desk.sessions.begin() as session:
            more = Waiting(1, made.size)
            allowance.claim(session, self._desk.allowance, more, actor=made.actor, at=made.kept_at)
            session.add(made)
        try:
            folder = self._folder(made.actor)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.seek(0)
            place(file, self._path(made.id, made.actor))
        except BaseException:
            self._forget(made.id)
            raise
        return made

    def get(self, upload_id: uuid.UUID, *, actor: str) -> KeptDocument:
        """Give what is known of one's own upload; raises UploadNotFound."""
        with self._desk.sessions() as session:
            found = session.scalar(select(KeptDocument).where(*_mine(upload_id, actor)))
        if found is None:
            raise UploadNotFound(f"there is no upload {upload_id}")
        return found

    def files(self, ids: Iterable[uuid.UUID], *, actor: str) -> list[BatchFile]:
        """Give one's own uploads as the documents of a batch; raises UploadNotFound."""
        wanted = list(ids)
        query = select(KeptDocument).where(KeptDocument.id.in_(wanted))
        with self._desk.sessions() as session:
            known = {row.id: row for row in session.scalars(query) if row.actor == actor}
        missing = next((each for each in wanted if each not in known), None)
        if missing is not None:
            raise UploadNotFound(f"there is no upload {missing}")
        return [
            BatchFile(
                name=known[each].file_name,
                file=self._path(each, actor),
                sha256=known[each].sha256,
                size=known[each].size,
            )
            for each in wanted
        ]

    def let_go(self, ids: Iterable[uuid.UUID], *, actor: str) -> None:
        """Remove the files that a batch has taken; what they were is kept for repetitions."""
        for upload_id in ids:
            self._path(upload_id, actor).unlink(missing_ok=True)

    def remove(self, upload_id: uuid.UUID, *, actor: str) -> None:
        """Forget one's own upload; raises UploadNotFound."""
        with self._desk.sessions.begin() as session:
            gone = delete(KeptDocument).where(*_mine(upload_id, actor)).returning(KeptDocument.id)
            if session.scalar(gone) is None:
                raise UploadNotFound(f"there is no upload {upload_id}")
        self._path(upload_id, actor).unlink(missing_ok=True)

    def sweep(self, *, at: datetime) -> int:
        """Forget uploads past their day, and files that no upload has; returns how many files."""
        expired = delete(KeptDocument).where(KeptDocument.expires_at <= at)
        with self._desk.sessions.begin() as session:
            gone = session.execute(expired.returning(KeptDocument.id, KeptDocument.actor)).all()
        paths = {self._path(upload_id, actor) for upload_id, actor in gone}
        for path in self._directory.glob("*/*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < (at - KEPT).timestamp():
                    paths.add(path)
        return sum(_removed(path) for path in paths)

    def _forget(self, upload_id: uuid.UUID) -> None:
        with self._desk.sessions.begin() as session:
            session.execute(delete(KeptDocument).where(KeptDocument.id == upload_id))

    def _folder(self, actor: str) -> Path:
        return self._directory / hashlib.sha256(actor.encode()).hexdigest()[:32]

    def _path(self, upload_id: uuid.UUID, actor: str) -> Path:
        return self._folder(actor) / f"{upload_id}.pdf"


def upload_of(file_name: str, *, sha256: str, size: int, at: datetime, actor: str) -> KeptDocument:
    """Return the row of a received document."""
    return KeptDocument(
        id=uuid7(),
        kept_as=KeptAs.UPLOAD,
        actor=actor,
        file_name=file_name,
        sha256=sha256,
        size=size,
        kept_at=at,
        expires_at=at + KEPT,
    )


def _mine(upload_id: uuid.UUID, actor: str) -> tuple[ColumnElement[bool], ...]:
    return (
        KeptDocument.id == upload_id,
        KeptDocument.actor == actor,
        KeptDocument.kept_as == KeptAs.UPLOAD,
    )


def _removed(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
