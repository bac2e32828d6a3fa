"""Thousands of damaged files through the verifier: `python -m tests.attacks.mutated_files 100000`.

Three things must never happen: an exception (INTERNAL_FAILURE is one that was caught at the door),
twenty seconds of work, and a signature called valid that cannot be argued for (`arguing`). The same
run with fewer files is a test. `--keep FOLDER` writes the files that a finding is about.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pdf.options import CertificationLevel, Level
from pdf.pdfium import READER
from pdf.report import DocumentReport, Indication
from tests.attacks.arguing import Honest
from tests.attacks.mutating import Mutant, Source, mutant
from tests.pdf.archive_kit import Province
from tests.pdf.signing_kit import CORPUS, blank_pdf, sign
from tests.pdf.verifying_kit import append, free_number, letter

SECONDS = 20.0
"""Processor time of one file after which it counts as a hang."""
MEMORY = 3 * 1024**3
_SEED = 2026


class Hang(BaseException):
    """Not an Exception, so that no door on the way catches it."""


@dataclass
class Tally:
    """What came of a run; `findings` must be empty."""

    files: int = 0
    findings: list[str] = field(default_factory=list)
    indications: Counter[str] = field(default_factory=Counter)
    grounds: Counter[str] = field(default_factory=Counter)
    found: list[Mutant] = field(default_factory=list)
    slowest: float = 0.0
    slowest_number: int = -1

    def add(self, made: Mutant, what: str) -> None:
        kinds = ", ".join(made.kinds)
        self.findings.append(
            f"{made.number} ({kinds}; {made.source.name}; {made.donor.name}): {what}"
        )
        self.found.append(made)


def fresh_sources() -> list[Source]:
    """Files signed here and now, at every level and on every layout of the format."""
    province = Province()
    plain = sign(letter())
    certified = sign(letter(), certify=CertificationLevel.FORM_FILLING)
    made = {
        "one signature": plain,
        "two signatures": sign(plain),
        "certified": certified,
        "certified and signed": sign(certified),
        "changed afterwards": append(plain, {3: "<</Length 0>>\nstream\n\nendstream"}),
        "something appended": append(plain, {free_number(plain): "<</Type/Something>>"}),
        "object streams": sign(packed(letter())),
        "unsigned": blank_pdf(pages=3),
        **{level.value: province.sign(level=level) for level in Level},
    }
    return [Source.of(name, data) for name, data in made.items()]


def packed(data: bytes) -> bytes:
    """The same document with its objects in object streams and a cross-reference stream."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.pdf"), Path(folder, "after.pdf")
        before.write_bytes(data)
        subprocess.run(["qpdf", "--object-streams=generate", before, after], check=True)
        return after.read_bytes()


def corpus_sources() -> list[Source]:
    """The shared corpus, where it is: signed, unsigned, and made to trouble parsers."""
    return [Source.of(path.name, path.read_bytes()) for path in sorted(CORPUS.glob("*/*.pdf"))]


def weighted(sources: Sequence[Source]) -> list[Source]:
    """Give files with signatures four times: there is more to be got wrong in them."""
    signed = [source for source in sources if b"/ByteRange" in source.data]
    return [*sources, *signed, *signed, *signed]


def run(numbers: Sequence[int], honest: Honest, *, seed: int = _SEED) -> Iterator[Tally]:
    """Verify mutation after mutation; yields the tally after each."""
    tally = Tally()
    for number in numbers:
        made = mutant(number, seed=seed, sources=honest.sources)
        start = time.process_time()
        try:
            with at_most(SECONDS):
                report = honest.report(made.data)
                json.dumps(report.to_dict())
        except Hang:
            tally.add(made, "hangs")
        except Exception as error:  # noqa: BLE001 (that none comes is what is tested)
            tally.add(made, f"{type(error).__name__}: {error}")
        else:
            _judge(made, report, honest, tally)
        taken = time.process_time() - start
        if taken > tally.slowest:
            tally.slowest, tally.slowest_number = taken, number
        tally.files += 1
        yield tally


def _judge(made: Mutant, report: DocumentReport, honest: Honest, tally: Tally) -> None:
    tally.indications[report.indication.value] += 1
    codes = {message.code for one in report.signatures for message in one.messages}
    if "INTERNAL_FAILURE" in codes | set(report.reasons):
        tally.add(made, "an exception was caught at the door")
    if all(one.indication is not Indication.TOTAL_PASSED for one in report.signatures):
        return
    for ground in honest.grounds(made.data, report):
        tally.grounds[ground or "none"] += 1
        if ground is None:
            tally.add(made, "valid for no reason")


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise Hang after so much processor time."""

    def over(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def main() -> int:
    """Run so many mutations and say what came of it; 1 when something was found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("count", type=int, nargs="?", default=100_000)
    asked.add_argument("--seed", type=int, default=_SEED)
    asked.add_argument("--keep", type=Path, help="a folder for files with findings")
    given = asked.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    honest = Honest(weighted([*fresh_sources(), *corpus_sources()]))
    tally = Tally()
    for tally in run(range(given.count), honest, seed=given.seed):
        if tally.files % 5000 == 0:
            _say(tally)
    _say(tally)
    for made in tally.found if given.keep else []:
        (given.keep / f"{made.number}.pdf").write_bytes(made.data)
    READER.close()
    return 1 if tally.findings else 0


def _say(tally: Tally) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    lines = [
        f"{tally.files} files, {len(tally.findings)} findings, {memory} MB at most",
        f"  slowest: {tally.slowest:.2f} s of CPU, number {tally.slowest_number}",
        f"  verdicts: {dict(tally.indications)}",
        f"  grounds of valid signatures: {dict(tally.grounds)}",
        *(f"  {finding}" for finding in tally.findings),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
