"""The installation that the ANTIN_ variables name, opened for one operator's command."""

from __future__ import annotations

import getpass
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api import first_run
from api.commands.output import told
from api.settings import from_environment
from api.wiring import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.wiring import Wiring


@contextmanager
def installation() -> Iterator[Wiring]:
    """Open database and keys, beside a running server or without one; errors become text."""
    with told():
        settings = from_environment()
        with first_run.database(settings) as url:
            wiring = build(settings, url)
            try:
                yield wiring
            finally:
                wiring.close()


def operator() -> str:
    """Return who types, as the audit log names them: the account of this machine."""
    return f"operator:{getpass.getuser()}"
