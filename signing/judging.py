"""Reports made in worker processes: whatever a file does to its worker, the answer is a report.

The worker takes the file apart and asks back about certificates; this process answers with the
validator it was given. A file that overruns its time or memory is INDETERMINATE/LIMIT_EXCEEDED.
"""

import hashlib
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import BinaryIO, Final, cast

from pdf.differences import Difference
from pdf.report import JSON, DocumentReport, Indication
from pdf.validator import CertificateValidator, PathVerdict, Purpose
from signing.frames import Frame
from signing.isolation import Ask, Isolation, Job, JobLost
from signing.rules import rules_for
from signing.shown_differences import told_differences

SECONDS: Final = 30.0
"""For one file; the slowest honest ones take a second."""
MAX_CMS_BYTES: Final = 16 * 1024 * 1024
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Question:
    """Which file, judged for which moment.

    `at` is the moment that the verdict is for, `checked_at` the present.
    """

    file_name: str
    at: datetime
    checked_at: datetime
    password: str | None = field(default=None, repr=False)

    def head(self) -> dict[str, object]:
        """Give the question as a worker takes it."""
        return {
            "name": self.file_name,
            "at": self.at.isoformat(),
            "checked_at": self.checked_at.isoformat(),
            "password": self.password,
        }


@dataclass(frozen=True)
class OwnAnchors:
    """Certificates are judged in the worker, below these DER anchors."""

    anchors: tuple[bytes, ...]
    offline: bool
    policy: str | None = None
    """The text of an algorithm policy file (`ca.algorithm_policy_file`)."""
    terms: str | None = None
    """Of anchors that are not trusted always: JSON, `ca.anchor_terms` by fingerprint."""


Judge = CertificateValidator | OwnAnchors


@dataclass(frozen=True)
class Judging:
    """The workers, who judges certificates, and the seconds that a file may take."""

    isolation: Isolation
    judge: Judge
    seconds: float = SECONDS

    def document(self, source: BinaryIO, question: Question) -> dict[str, JSON]:
        """Report on a PDF."""
        return self._report("verify", [source], question)

    def pictured(
        self, source: BinaryIO, question: Question
    ) -> tuple[dict[str, JSON], tuple[Difference, ...]]:
        """Report on a PDF, with pictures of the pages that were changed after signing."""
        report, answer = self._answered("verify", [source], question, pictures=True)
        return report, told_differences(answer)

    def detached(
        self, signature: BinaryIO, content: BinaryIO | None, question: Question
    ) -> dict[str, JSON]:
        """Report on a CMS over `content`, or over what it carries."""
        files = [signature] if content is None else [signature, content]
        return self._report("detached", files, question, limit=MAX_CMS_BYTES)

    def edoc(self, source: BinaryIO, question: Question) -> dict[str, JSON]:
        """Report on an `.edxml` and its attachments."""
        return self._report("edoc", [source], question)

    def _report(
        self, kind: str, files: list[BinaryIO], question: Question, **more: object
    ) -> dict[str, JSON]:
        return self._answered(kind, files, question, **more)[0]

    def _answered(
        self, kind: str, files: list[BinaryIO], question: Question, **more: object
    ) -> tuple[dict[str, JSON], Frame]:
        head: dict[str, object] = {**question.head(), **more}
        ask: Ask | None = None
        parts: tuple[bytes, ...] = ()
        if isinstance(self.judge, OwnAnchors):
            head |= {
                "offline": self.judge.offline,
                "policy": self.judge.policy,
                "terms": self.judge.terms,
            }
            parts = self.judge.anchors
        else:
            head["rules"] = rules_for(self.judge).to_json()
            ask = answering(self.judge)
        with ExitStack() as stack:
            real = [_on_disk(file, stack) for file in files]
            job = Job(kind=kind, head=head, parts=parts, files=real)
            try:
                answer = self.isolation.run(job, seconds=self.seconds, ask=ask)
            except JobLost:
                answer = Frame({})
            report = answer.head.get("report")
            if isinstance(report, dict):
                return cast("dict[str, JSON]", report), answer
            return given_up(real[-1], question), Frame({})


def answering(validator: CertificateValidator) -> Ask:
    """Answer a worker's questions about certificates; what was sent once is remembered."""
    known: list[bytes] = []

    def answer(asked: Frame) -> Frame:
        known.extend(asked.parts)
        head = asked.head

        def named(key: str) -> list[bytes]:
            return [known[number] for number in cast("list[int]", head[key])]

        try:
            verdict = validator.validate(
                known[cast("int", head["certificate"])],
                purpose=cast("Purpose", head["purpose"]),
                at=datetime.fromisoformat(str(head["at"])),
                others=named("others"),
                crls=named("crls"),
                ocsp_responses=named("ocsp_responses"),
            )
        except Exception:  # noqa: BLE001 -- a validator's failure is a verdict: the path is unknown
            return Frame({"failed": True})
        return _told(verdict)

    return answer


def _told(verdict: PathVerdict) -> Frame:
    fact = verdict.revocation
    head: dict[str, object] = {
        "trusted": verdict.trusted,
        "sub_indication": None if verdict.sub_indication is None else str(verdict.sub_indication),
        "messages": list(verdict.messages),
        "revocation": {
            "status": str(fact.status),
            "source": fact.source,
            "this_update": _time(fact.this_update),
            "revoked_at": _time(fact.revoked_at),
            "reason": fact.reason,
        },
    }
    return Frame(head, tuple(verdict.chain))


def given_up(source: BinaryIO, question: Question) -> dict[str, JSON]:
    """Report on a file that could not be judged within its bounds."""
    digest, size = hashlib.sha256(), 0
    source.seek(0)
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    report = DocumentReport(
        file=question.file_name,
        sha256=digest.hexdigest(),
        size=size,
        checked_at=question.checked_at,
        validation_time=question.at,
        indication=Indication.INDETERMINATE,
        revisions=0,
        encrypted=False,
        reasons=("LIMIT_EXCEEDED",),
    )
    return report.to_dict()


def _on_disk(source: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Give a file of the operating system, which a worker can be handed."""
    try:
        source.fileno()
    except (OSError, AttributeError):
        copy = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115 -- the stack closes it
        source.seek(0)
        shutil.copyfileobj(source, copy, _CHUNK)
        copy.flush()
        return copy
    source.flush()
    return source


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat()
