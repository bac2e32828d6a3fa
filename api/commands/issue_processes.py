"""A long list of requests, issued by several processes: a core each.

Building and checking certificates is work for the processor, and one process of ours uses one core
of it. Each share of the list goes to `antin certificates issue-batch` itself, run once more, so
there is one way to issue. Two processes never issue the same: the request's row decides.
"""

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from api.commands.output import FAILED

FROM: Final = 512
"""Requests from which on a second process pays: it takes two seconds to start."""
LOST: Final = "the process that had it ended early; it may be open: see `antin certificates open`"

Row = dict[str, object]


def issued_by(processes: int, ids: Sequence[uuid.UUID], *, approve: bool) -> list[Row]:
    """Issue these requests; what became of each, in the same order."""
    shares = [ids[number::processes] for number in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        done = pool.map(lambda share: _issued(share, approve=approve), shares)
    found = {str(row["request_id"]): row for rows in done for row in rows}
    return [found.get(str(one)) or _lost(one) for one in ids]


def _issued(share: Sequence[uuid.UUID], *, approve: bool) -> list[Row]:
    command = [sys.executable, "-m", "api.cli", "certificates", "issue-batch", "-", "--json"]
    command += ["--processes", "1", *(["--approve"] if approve else [])]
    listed = "\n".join(map(str, share)).encode()
    ended = subprocess.run(  # noqa: S603 -- this program again, with ids that were parsed
        command, input=listed, stdout=subprocess.PIPE, check=False
    )
    if ended.returncode not in {0, FAILED}:
        return []
    try:
        rows: list[Row] = json.loads(ended.stdout)
    except ValueError:
        return []  # it failed before it began, and has said why
    return rows


def _lost(request_id: uuid.UUID) -> Row:
    return {
        "request_id": str(request_id),
        "certificate_id": None,
        "serial_number": None,
        "problem": LOST,
    }
