"""Extending a stranger's document in a worker process.

Does what `pdf.extend.extend` does and refuses with the same errors. The worker has neither network
nor keys: for time-stamps and evidence it asks back, and gets only so many. A document that overruns
its time or memory is refused with LimitExceeded.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

from pdf.cades_levels import extend_beside
from pdf.errors import LimitExceeded, PdfError, TimestampUnavailable
from pdf.evidence import Carried
from pdf.extend import Extended, ExtensionOptions, extend
from pdf.options import Level
from signing.frames import Frame
from signing.isolation import Ask, Isolation, Job, JobLost
from signing.told_errors import refusal, told

if TYPE_CHECKING:
    from pdf.validator import Purpose

SECONDS: Final = 30.0
MOST_TIMESTAMPS: Final = 4
"""One for signatures without a time and one for the archive, each perhaps once more."""
MOST_BESIDE: Final = 64
"""Beside a file each signer has time-stamps of its own, of both kinds."""


class Extend(Protocol):
    """Raises the signatures of a document, wherever that is done."""

    def __call__(
        self,
        source: BinaryIO,
        target: BinaryIO,
        options: ExtensionOptions,
        *,
        content: BinaryIO | None = None,
    ) -> Extended:
        """Write the document to `target` at `options.level`; raises PdfError.

        With `content`, `source` is a detached signature over it.
        """


def extend_here(
    source: BinaryIO,
    target: BinaryIO,
    options: ExtensionOptions,
    *,
    content: BinaryIO | None = None,
) -> Extended:
    """Extend in this process."""
    if content is None:
        return extend(source, target, options)
    return extend_beside(source, target, options, content)


class IsolatedExtend:
    """Extends in a worker of `isolation`; both files must be files of the operating system."""

    def __init__(self, isolation: Isolation, *, seconds: float = SECONDS) -> None:
        self._isolation = isolation
        self._seconds = seconds

    def __call__(
        self,
        source: BinaryIO,
        target: BinaryIO,
        options: ExtensionOptions,
        *,
        content: BinaryIO | None = None,
    ) -> Extended:
        """Write the document to `target` at `options.level`; raises PdfError."""
        head: dict[str, object] = {
            "level": options.level,
            "at": options.at.isoformat(),
            "password": options.password,
            "timestamp_size": options.timestamp_size,
            "timestamps": options.timestamps is not None,
            "evidence": options.evidence is not None,
        }
        files = [source, target] if content is None else [source, target, content]
        for file in files:
            file.flush()
        most = MOST_TIMESTAMPS if content is None else MOST_BESIDE
        job = Job(kind="extend", head=head, files=files)
        try:
            answer = self._isolation.run(
                job, seconds=self._seconds, ask=helping(options, most)
            ).head
        except JobLost as error:
            what = "reading the document took too long or too much memory"
            raise LimitExceeded(what, limit=int(self._seconds)) from error
        if "refused" in answer:
            raise refusal(answer)
        if "extended" not in answer:
            raise LimitExceeded("the document takes too much memory", limit=int(self._seconds))
        target.seek(0, 2)
        return _extended(cast("Mapping[str, object]", answer["extended"]))


def _extended(found: Mapping[str, object]) -> Extended:
    until = found["proven_until"]
    return Extended(
        level=Level(str(found["level"])),
        size=int(str(found["size"])),
        changed=bool(found["changed"]),
        proven_until=None if until is None else datetime.fromisoformat(str(until)),
    )


def helping(options: ExtensionOptions, most: int = MOST_TIMESTAMPS) -> Ask:
    """Answer a worker's questions for evidence and for so many time-stamps at most."""
    known: list[bytes] = []
    stamps = 0

    def stamp(asked: Frame) -> Frame:
        nonlocal stamps
        stamps += 1
        if options.timestamps is None or stamps > most:
            raise TimestampUnavailable("the document asks for too many time-stamps")
        return Frame({}, (options.timestamps.timestamp(asked.parts[0], str(asked.head["hash"])),))

    def collect(asked: Frame) -> Frame:
        known.extend(asked.parts)
        head = asked.head
        present = head["asked_at"]

        def named(key: str) -> tuple[bytes, ...]:
            return tuple(known[number] for number in cast("list[int]", head[key]))

        if options.evidence is None:
            raise LimitExceeded("the worker asks what nobody answers", limit=0)
        found = options.evidence.collect(
            named("certificate")[0],
            purpose=cast("Purpose", head["purpose"]),
            at=datetime.fromisoformat(str(head["at"])),
            asked_at=None if present is None else datetime.fromisoformat(str(present)),
            carried=Carried(
                certificates=named("certificates"),
                crls=named("crls"),
                ocsp_responses=named("ocsp_responses"),
            ),
        )
        groups = (found.certificates, found.crls, found.ocsp_responses)
        word = found.sub_indication
        answer: dict[str, object] = {
            "trusted": found.trusted,
            "sub_indication": None if word is None else str(word),
            "counts": [len(group) for group in groups],
        }
        return Frame(answer, tuple(each for group in groups for each in group))

    def answer(asked: Frame) -> Frame:
        try:
            return stamp(asked) if asked.head["ask"] == "timestamp" else collect(asked)
        except PdfError as error:
            return Frame(told(error))

    return answer
