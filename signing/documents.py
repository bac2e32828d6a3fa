"""Where documents wait between preparing and signing, and for a while afterwards.

A directory of files named by request id (of extensions that have an Idempotency-Key: by the id that
the key reserved); processes on several machines share it as a mount. Not an
archive: files are removed after the retention time.
"""

import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO, cast

from pdf.range_digests import Prefix
from pdf.signature_math import Digest
from pdf.staging import hash_stretch, size_of
from signing.batch_folder import BatchFolders
from signing.disk_space import DiskSpace
from signing.errors import DocumentGone

RETENTION = timedelta(days=7)
"""How long a signed document can still be fetched by a caller that lost the answer."""

_BUFFER = 64 * 1024
"""Bytes; a letter is written at once."""
_CHUNK = 1024 * 1024
_NO_UNNAMED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})
"""What file systems say that cannot have a file without a name."""


class DocumentStore:
    """Files by sign request id, readable by this account only; `floor` bytes stay free."""

    def __init__(self, directory: Path, *, floor: int = 0) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = self.folder = directory
        self.space = DiskSpace(directory, floor)
        self.batches = BatchFolders(directory / "batches")

    def path(self, request_id: uuid.UUID) -> Path:
        """Return where the document of a request is, whether it exists or not."""
        return self._directory / f"{request_id}.pdf"

    def create(self, request_id: uuid.UUID) -> BufferedRandom:
        """Open a new file for reading and writing."""
        descriptor = os.open(self.path(request_id), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        return cast("BufferedRandom", os.fdopen(descriptor, "w+b", buffering=_BUFFER))

    def create_anew(self, request_id: uuid.UUID) -> BufferedRandom:
        """Open a new file as `create` does, in place of what a crash before any row left there."""
        try:
            return self.create(request_id)
        except FileExistsError:
            self.remove(request_id)
            return self.create(request_id)

    def open(self, request_id: uuid.UUID) -> BufferedRandom:
        """Open the document of a request for reading and writing; raises DocumentGone."""
        try:
            return self.path(request_id).open("r+b")
        except FileNotFoundError as error:
            raise DocumentGone(f"the document of request {request_id} is not stored") from error

    @contextmanager
    def new_version(self, request_id: uuid.UUID) -> Iterator[BufferedRandom]:
        """Write the document of a request anew; it takes its place when the block ends well."""
        handle, name = tempfile.mkstemp(dir=self._directory, prefix=f".{request_id}.")
        fresh = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                yield file
                flush_to_disk(file)
            fresh.replace(self.path(request_id))
        finally:
            fresh.unlink(missing_ok=True)

    def holds(self, request_id: uuid.UUID) -> bool:
        """Say whether the document of a request is stored."""
        return self.path(request_id).exists()

    def remove(self, request_id: uuid.UUID) -> None:
        """Forget the document of a request; nothing happens when there is none."""
        self.path(request_id).unlink(missing_ok=True)

    def sweep(self, *, older_than: datetime) -> int:
        """Remove files last written before a time; returns how many."""
        removed = 0
        for path in self._directory.glob("*.pdf"):
            try:
                stale = path.stat().st_mtime < older_than.timestamp()
            except FileNotFoundError:
                continue
            if stale:
                path.unlink(missing_ok=True)
                removed += 1
        return removed


def flush_to_disk(document: BufferedRandom) -> None:
    """Make what was written survive a power cut, before a row says that it exists."""
    document.flush()
    os.fsync(document.fileno())


def place(source: BinaryIO, path: Path) -> None:
    """Copy a file to a new path, where it is whole and on the disk, or not at all.

    Where the system can, it has no name until it is whole, so that not even a kill leaves a part.
    """
    unnamed = getattr(os, "O_TMPFILE", 0)
    try:
        handle = os.open(path.parent, unnamed | os.O_WRONLY, 0o600)
    except OSError as error:
        if error.errno not in _NO_UNNAMED:
            raise
        _place_by_name(source, path)
        return
    with os.fdopen(handle, "wb") as file:
        _copied(source, file)
        # an absolute path; the descriptor only makes the call one that follows the link to the file
        os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle)


def _place_by_name(source: BinaryIO, path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            _copied(source, file)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _copied(source: BinaryIO, file: BinaryIO) -> None:
    shutil.copyfileobj(source, file, _CHUNK)
    file.flush()
    os.fsync(file.fileno())


def sha256_of(document: BinaryIO, *, prefix: Prefix | None = None) -> tuple[str, int]:
    """Return the SHA-256 (hexadecimal) and the size in bytes of a whole document.

    `prefix` is the hash of its beginning, where that was read a moment ago.
    """
    digest, start = Digest("sha256"), 0
    if prefix is not None and prefix.name == "sha256":
        digest, start = prefix.running.copy(), prefix.length
    size = size_of(document)
    hash_stretch(document, digest, start=start, length=size - start)
    return digest.finish().hex(), size
