"""How every process of the server logs: one line an event, on standard error, times in UTC."""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"
QUIET: Final = ("procrastinate", "httpx", "alembic", "fontTools", "PIL", "asyncio", "uvicorn.error")
"""Loggers of libraries that tell at `info` what only concerns themselves."""


def configure(level: str) -> None:
    """Send the log to standard error from the named level on."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
