"""Verify one file in a process that has loaded nothing else: `FILE ANCHOR TIME`.

Tells the memory that the process needed at most, in MB, and the milliseconds of verifying.
"""

import sys
import time
from datetime import datetime
from pathlib import Path

from ca.validation import PathValidator
from pdf.report import Indication
from pdf.verify import verify


def main(file: str, anchor: str, moment: str) -> None:
    at = datetime.fromisoformat(moment)
    validator = PathValidator([Path(anchor).read_bytes()])
    start = time.process_time()
    with Path(file).open("rb") as source:
        report = verify(source, name="x", at=at, checked_at=at, validator=validator)
    taken = (time.process_time() - start) * 1000
    if report.indication is not Indication.TOTAL_PASSED:
        raise RuntimeError(report.to_dict())
    # what getrusage tells counts the parent, too, as it was before this program was loaded
    status = Path("/proc/self/status").read_text()
    memory = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    sys.stdout.write(f"{memory / 1024} {taken}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
