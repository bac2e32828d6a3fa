"""Where the documents of a batch wait to be signed: a folder of its own, gone when it is done."""

import os
import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from signing.errors import DocumentGone, UploadNotFound

_CHUNK = 1024 * 1024
_OPTIONS = "options.json"


class BatchFolders:
    """The folders of the batches of one installation."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def fill(self, batch_id: uuid.UUID, options: str, files: Iterable[BinaryIO | Path]) -> None:
        """Write everything and make it last before a row says that it is there.

        A file given by its path, an upload, takes no more room here than it took there. Raises
        UploadNotFound where it is gone.
        """
        folder = self._folder(batch_id)
        self.remove(batch_id)
        folder.mkdir(mode=0o700, parents=True)
        try:
            for position, file in enumerate(files):
                self._take(file, folder / f"{position:06d}.pdf")
            with self._private(folder / _OPTIONS) as target:
                target.write(options.encode())
            _flush_directory(folder)
        except BaseException:
            self.remove(batch_id)
            raise

    def open(self, batch_id: uuid.UUID, position: int) -> BinaryIO:
        """Open one document; raises DocumentGone."""
        try:
            return (self._folder(batch_id) / f"{position:06d}.pdf").open("rb")
        except FileNotFoundError as error:
            raise DocumentGone(f"document {position} of batch {batch_id} is gone") from error

    def options(self, batch_id: uuid.UUID) -> str:
        """Read the options; raises DocumentGone."""
        try:
            return (self._folder(batch_id) / _OPTIONS).read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise DocumentGone(f"the options of batch {batch_id} are gone") from error

    def remove(self, batch_id: uuid.UUID) -> None:
        """Forget the documents that waited."""
        shutil.rmtree(self._folder(batch_id), ignore_errors=True)

    def sweep(self, *, older_than: datetime) -> int:
        """Remove folders last touched before a time; returns how many."""
        removed = 0
        for folder in self._directory.glob("*-*"):
            with suppress(FileNotFoundError):
                if folder.stat().st_mtime < older_than.timestamp():
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += 1
        return removed

    def _folder(self, batch_id: uuid.UUID) -> Path:
        return self._directory / str(batch_id)

    def _take(self, file: BinaryIO | Path, path: Path) -> None:
        if not isinstance(file, Path):
            file.seek(0)
            with self._private(path) as target:
                shutil.copyfileobj(file, target, _CHUNK)
            return
        try:
            path.hardlink_to(file)
        except FileNotFoundError as error:
            raise UploadNotFound("the upload was used for another batch") from error
        except OSError:  # another disk, or a file system without links
            with file.open("rb") as source:
                self._take(source, path)

    @staticmethod
    def _private(path: Path) -> "_Lasting":
        return _Lasting(path)


class _Lasting:
    """A new file for this account only, on the disk when its block ends well."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> BinaryIO:
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()


def _flush_directory(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
