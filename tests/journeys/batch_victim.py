"""A process that runs a batch until it is killed; `test_batch_killed` starts it.

`python -m tests.journeys.batch_victim prepare HOME URL COUNT` sets an installation up and makes the
batch (prints its id); `… run HOME URL ID` signs what is left of it.
"""

import hashlib
import io
import json
import sys
import uuid

from api import first_run
from api.settings import Settings, from_environment
from api.wiring import build
from ca import issue
from db.base import uuid7
from pdf.options import Level, SignatureOptions
from signing import batch_run, batches
from signing.batches import BatchFile, BatchOrder
from tests.journeys.running import SAMPLE
from tests.journeys.victims import CHIEF, CLERK, approved


def main(task: str, home: str, url: str, what: str) -> None:
    settings = from_environment({"ANTIN_HOME": home, "ANTIN_PUBLIC_URL": "http://127.0.0.1:1"})
    if task == "prepare":
        sys.stdout.write(json.dumps({"id": str(prepare(settings, url, int(what)))}))
    else:
        run(settings, url, uuid.UUID(what))


def prepare(settings: Settings, url: str, count: int) -> uuid.UUID:
    first_run.make_home(settings)
    first_run.set_up(settings, url)
    wiring = build(settings, url)
    at = wiring.clock()
    certificate = issue.issue(
        wiring.sessions,
        request_id=approved(wiring),
        keys=wiring.keys,
        at=at,
        actor=CHIEF,
        make_key=wiring.make_key,
    )
    order = BatchOrder(
        certificate_id=certificate.id,
        options=SignatureOptions(signing_time=at),
        level=Level.B_B,
        batch_id=uuid7(),
    )
    batches.create(wiring.desk, order, [document(n) for n in range(count)], at=at, actor=CLERK)
    wiring.close()
    return order.batch_id


def document(number: int) -> BatchFile:
    data = SAMPLE.read_bytes() + b"%%%d\n" % number
    return BatchFile(
        name=f"{number:04d}.pdf",
        file=io.BytesIO(data),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )


def run(settings: Settings, url: str, batch_id: uuid.UUID) -> None:
    wiring = build(settings, url)
    sys.stdout.write("!")
    sys.stdout.flush()
    batch_run.run(wiring.desk, batch_id, clock=wiring.clock, at_once=wiring.at_once)
    wiring.close()


if __name__ == "__main__":
    main(*sys.argv[1:5])
