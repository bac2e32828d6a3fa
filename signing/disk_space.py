"""Room on the disk: a floor that what callers send never goes below.

The database and the keys may lie on the same disk, and have to be written when callers can send
nothing more. Between asking and writing others write too, so the floor is wide: what is asked for
at a time is small, and a disk that is full all the same is the same refusal.
"""

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signing.errors import StorageFull

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""How the system says that there is no room."""


@dataclass(frozen=True)
class DiskSpace:
    """A folder, and how many bytes have to stay free on its disk."""

    folder: Path
    floor: int = 0

    @property
    def free(self) -> int:
        """Bytes that this account may still write."""
        return shutil.disk_usage(self.folder).free

    def require(self, size: int = 0) -> None:
        """Ask for room for so many bytes; raises StorageFull."""
        if self.free - size < self.floor:
            raise StorageFull("the disk of this service has no room for it")
