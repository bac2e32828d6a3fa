"""Secrets that an installation makes for itself: random, each in a file, made when first needed."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING, Final

from hsm.errors import KeyFileUnreadable
from hsm.software import write_private_file

if TYPE_CHECKING:
    from pathlib import Path

_OCTETS: Final = 32


def own_secret(file: Path) -> bytes:
    """Return the secret of that file; of processes that make it at once, one wins, for all.

    Raises KeyFileUnreadable where it cannot be written.
    """
    if not file.exists():
        fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        write_private_file(fresh, secrets.token_hex(_OCTETS).encode())
        try:
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)  # whole or not at all, and never over another's
        except OSError as error:
            raise KeyFileUnreadable(f"{file} cannot be written") from error
        finally:
            fresh.unlink()
    return file.read_bytes()
