"""A copy of what a SoftHSM token cannot live without, and the way back to it.

Every login empties the file `token.object` and writes it anew. A process killed in between leaves
it empty, and with it every key of the token is out of reach for ever, though all of them are there.
So a copy is kept beside the tokens, taken whenever the file is whole, and put back when it is not.

The caller holds the module's `hsm.machine_lock`, under which all logins of ours happen: what is
incomplete then is not being written. A PIN changed since the copy was taken is the old one again.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from hsm.software import write_private_file

FILE: Final = "token.object"
_NUMBER: Final = 8
"""Octets of every number in the file, the first of which counts its generations."""
_VALUE_OCTETS: Final = {1: 1, 2: _NUMBER}
_OCTET_STRING: Final = 3


def mend(tokens: Path, copies: Path) -> list[str]:
    """Copy the whole files, put copies in place of broken ones; the names of the mended tokens."""
    mended = []
    for folder in sorted(path for path in tokens.iterdir() if path.is_dir()):
        there, copy = folder / FILE, copies / f"{folder.name}.{FILE}"
        content = _read(there)
        if is_whole(content):
            if content[_NUMBER:] != _read(copy)[_NUMBER:]:
                _replace(copy, content)
        elif is_whole(kept := _read(copy)):
            _overwrite(there, kept)
            mended.append(folder.name)
    return mended


def is_whole(content: bytes) -> bool:
    """Whether the file of a token goes on to its end: a number, then attributes.

    An attribute is its type, the kind of its value, and the value: one octet, a number, or a length
    and as many octets. What follows a kind that is not known here is taken as whole.
    """
    at = _NUMBER
    attributes = 0
    while at < len(content):
        kind = _number(content, at + _NUMBER)
        at += 2 * _NUMBER
        if kind == _OCTET_STRING:
            length = _number(content, at)
            at += _NUMBER + (length if length is not None else 0)
        elif kind in _VALUE_OCTETS:
            at += _VALUE_OCTETS[kind]
        elif kind is not None:
            return True
        attributes += 1
    return attributes > 0 and at == len(content)


def _number(content: bytes, at: int) -> int | None:
    octets = content[at : at + _NUMBER]
    return int.from_bytes(octets) if len(octets) == _NUMBER else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    write_private_file(fresh, content)
    fresh.replace(path)


def _overwrite(path: Path, content: bytes) -> None:
    """Write into the file itself, which other processes may have open."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
