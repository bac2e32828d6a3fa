"""A province's list: 3,056 rows read, checked, put in and issued, by two people.

Both goals of batches are in it: every CSR is verified, every row looked up, everything durable and
in the audit log, the certificates linted and signed by a P-256 key on a token (SoftHSM).
"""

import csv
import io
import time
from collections.abc import Iterable

from ca import issue_batch, request_tables
from ca.issue_intents import Asked, Context
from hsm.algorithms import KeyAlgorithm
from tests.bench.bench_ca_issue import _house, holders
from tests.bench.row import Row
from tests.ca.house import AT, CHIEF, CLERK, House
from tests.ca.province import ISSUED

UNITS = 111
GOAL_SECONDS = 10.0


def rows() -> Iterable[Row]:
    """Measure the whole walk, and of it the checking and storing."""
    with _house(KeyAlgorithm.P_256) as (house, _):
        data = _table(house)
        began = time.perf_counter()
        with house.sessions.begin() as session:
            table = request_tables.read(data)
            outcomes = request_tables.submit(session, table, at=AT, actor=CLERK)
        put_in = time.perf_counter() - began
        ids = [outcome.request_id for outcome in outcomes if outcome.request_id is not None]
        asked = [Asked(request_id=one, actor=CHIEF, approve=True) for one in ids]
        context = Context(house.keys, AT)
        at_once = issue_batch.AT_ONCE
        done = issue_batch.issue_batch(house.sessions, asked, context=context, parallel=at_once)
        whole = time.perf_counter() - began
    for outcome in done:
        if outcome.error is not None:
            raise outcome.error
    if len(done) != ISSUED:
        raise RuntimeError(f"{len(done)} certificates of {ISSUED}")
    for name, seconds in ((f"ca.issue.csv-{ISSUED}", whole), (f"ca.request.csv-{ISSUED}", put_in)):
        yield Row(
            name=name,
            value=1000 * seconds,
            unit="ms_wall",
            reference_name="the goal, for checking and issuing",
            reference_value=1000 * GOAL_SECONDS,
            goal=1.0,
        )


def _table(house: House) -> bytes:
    codes = [house.organization(f"Đơn vị {n}").code for n in range(UNITS)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Mã đơn vị", "Họ và tên", "Số CCCD", "Chức vụ", "CSR"])
    for number, cells in enumerate(holders(ISSUED)):
        writer.writerow([codes[number % UNITS], *cells])
    return text.getvalue().encode()
