"""One of the processes that issue a batch together: the ids come in a line, the count goes out.

Started by `tests.bench.bench_ca_issue` with the database's URL and the token's module; the
environment names the token.
"""

import gc
import sys
import uuid
from pathlib import Path

from ca.issue_batch import AT_ONCE, issue_batch
from ca.issue_intents import Asked, Context
from db.session import create_engine, session_factory
from hsm.providers import KeyStore
from tests.ca.house import AT, CHIEF


def main(url: str, module: str) -> None:
    """Issue each line of ids that is read, until there are no more."""
    sessions = session_factory(create_engine(url))
    with KeyStore(modules=[Path(module)]) as keys:
        for line in sys.stdin:
            ids = [uuid.UUID(one) for one in line.split()]
            asked = [Asked(request_id=one, actor=CHIEF, approve=True) for one in ids]
            gc.freeze()  # as the command does
            outcomes = issue_batch(sessions, asked, context=Context(keys, AT), parallel=AT_ONCE)
            for outcome in outcomes:
                if outcome.error is not None:
                    raise outcome.error
            sys.stdout.write(f"{len(outcomes)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
