"""Let one other user pass through our directories, and nobody else.

PostgreSQL refuses to run as root, so a service started by root runs it as a user of its own; that
user must be able to walk to the programs and to its data, which may lie below directories only
root may enter. An access control entry of POSIX (as `setfacl -m u:NAME:x` writes it) opens the way
for that one user; where the file system has none, the directory becomes passable, not readable,
for all.
"""

import os
import stat
import struct
from pathlib import Path
from typing import Final

from db.errors import DirectoryUnusable

_ATTRIBUTE: Final = "system.posix_acl_access"
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_VERSION: Final = 2
_NO_ID: Final = 0xFFFFFFFF
_USER_OBJECT, _USER, _GROUP_OBJECT, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_EXECUTE: Final = 0x1


def let_user_pass(path: Path, *, uid: int) -> None:
    """Give user `uid` the right to pass through `path` and every directory above it.

    Directories anyone may pass, and those the user owns, are left as they are. Raises
    DirectoryUnusable where one of them cannot be changed.
    """
    for directory in [*reversed(path.parents), path]:
        facts = directory.stat()
        if facts.st_uid == uid or facts.st_mode & stat.S_IXOTH:
            continue
        try:
            _add_entry(directory, uid=uid, mode=facts.st_mode)
        except OSError:
            _open_to_all(directory, mode=facts.st_mode)


def let_everyone_read(tree: Path) -> None:
    """Let everyone read the files below `tree`, and run those its owner may run.

    For programs anyone can download: installed under a strict umask they serve only their owner.
    """
    try:
        for path in [tree, *tree.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
            if mode != wanted:
                path.chmod(wanted)
    except OSError as e:
        raise DirectoryUnusable(f"{tree} cannot be made readable for the database user") from e


def _add_entry(directory: Path, *, uid: int, mode: int) -> None:
    entries = _read(directory) or {
        (_USER_OBJECT, _NO_ID): mode >> 6 & 0o7,
        (_GROUP_OBJECT, _NO_ID): mode >> 3 & 0o7,
        (_OTHER, _NO_ID): mode & 0o7,
    }
    entries[_USER, uid] = entries.get((_USER, uid), 0) | _EXECUTE
    # The mask bounds what named users and groups get; it must admit each of them (acl(5)).
    bounded = [bits for (tag, _), bits in entries.items() if tag not in {_USER_OBJECT, _OTHER}]
    entries[_MASK, _NO_ID] = 0
    for bits in bounded:
        entries[_MASK, _NO_ID] |= bits
    packed = b"".join(_ENTRY.pack(tag, bits, who) for (tag, who), bits in sorted(entries.items()))
    os.setxattr(directory, _ATTRIBUTE, _HEADER.pack(_VERSION) + packed)


def _read(directory: Path) -> dict[tuple[int, int], int]:
    try:
        raw = os.getxattr(directory, _ATTRIBUTE)
    except OSError:
        return {}
    if _HEADER.unpack_from(raw)[0] != _VERSION:
        raise OSError("unknown version of access control list")
    return {(tag, who): bits for tag, bits, who in _ENTRY.iter_unpack(raw[_HEADER.size :])}


def _open_to_all(directory: Path, *, mode: int) -> None:
    try:
        directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
    except OSError as e:
        raise DirectoryUnusable(f"{directory} cannot be made passable for the database user") from e
