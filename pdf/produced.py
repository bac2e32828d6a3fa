"""What is known of the staged file by the process that has just written it.

The digest that is signed is always taken from the staged file as it reads back, never from what
was meant to be written. A large file is read for that once: whoever embeds the signature with the
same state, in the same process, goes on from there, as long as the operating system says that the
file is the same one and was not written since, or as what is in memory is octet for octet what was
hashed. A file from elsewhere (another process, a worker that read a stranger's document, a restart)
is read again, and so is a small one on a disk.
"""

from dataclasses import dataclass
from typing import BinaryIO

from pdf.range_digests import Prefix, Wanted
from pdf.signature_math import Digest
from pdf.staging import hash_stretch, identity_of, read_back

ByteRange = tuple[int, int, int, int]

REMEMBERED_FROM = 1024 * 1024
"""Bytes; reading a smaller file once more costs less than a millisecond. Some systems tell times
of changes in steps of some milliseconds, which is as long as it takes to work on a small one."""

REMEMBERED_IN_MEMORY = 16 * 1024 * 1024
"""Bytes; of a file in memory, what was hashed is kept until the signature is in, however small."""


@dataclass(frozen=True)
class Produced:
    """A staged file as it was hashed, and what came of it."""

    identity: tuple[int, ...] | bytes
    prefix: Prefix

    def still(self, staged: BinaryIO) -> bool:
        """Say whether this is the file, and nobody has written to it."""
        return self.identity == identity_of(staged)


def produced(staged: BinaryIO, prefix: Prefix) -> Produced | None:
    """Remember a file that was just hashed; None for what has to be read again."""
    identity = identity_of(staged)
    if isinstance(identity, bytes):
        known = len(identity) <= REMEMBERED_IN_MEMORY
    else:
        known = identity is not None and prefix.length >= REMEMBERED_FROM
    if identity is None or not known:
        return None
    return Produced(identity, prefix)


def hashed(staged: BinaryIO, name: str, byte_range: ByteRange) -> Prefix:
    """Hash what a byte range covers, as the file reads back."""
    _, before, after, rest = byte_range
    staged = read_back(staged)
    running = hash_stretch(staged, Digest(name), start=0, length=before)
    digest = hash_stretch(staged, running.copy(), start=after, length=rest).finish()
    return Prefix(before, name, running, {Wanted(name, ((0, before), (after, rest))): digest})
