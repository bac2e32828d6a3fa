"""What a document would become, asked before any key is used: preflight and preview.

Both read a stranger's document, so a server has them done in a worker process; the command line
and tests do them where they are.
"""

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

from pdf import preflight as pdf_preflight
from pdf import preview as pdf_preview
from pdf.algorithms import SignatureAlgorithm
from pdf.errors import LimitExceeded
from pdf.messages import Message
from pdf.options import SignatureOptions
from pdf.preflight import Preflight
from pdf.preview import DEFAULT_DPI, Preview
from pdf.signer import SignerChain
from signing.frames import Frame
from signing.isolation import Isolation, Job, JobLost
from signing.told_errors import refusal

if TYPE_CHECKING:
    from pdf.report import JSON

SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A signature that somebody has in mind: how, whose, and of which kind."""

    options: SignatureOptions
    signer: SignerChain
    algorithm: SignatureAlgorithm

    @property
    def parts(self) -> tuple[SignatureOptions, SignerChain, SignatureAlgorithm]:
        """The three side by side, as they travel to a worker."""
        return self.options, self.signer, self.algorithm


class Reading(Protocol):
    """Looks at a document that is perhaps going to be signed."""

    def preflight(self, source: BinaryIO, wish: Wish) -> Preflight:
        """Say what signing would do; what is refused is in the answer."""

    def preview(self, source: BinaryIO, wish: Wish, *, dpi: float = DEFAULT_DPI) -> Preview:
        """Draw the page with the stamp; raises PdfError."""


class DirectReading:
    """Reads in this process."""

    def preflight(self, source: BinaryIO, wish: Wish) -> Preflight:
        """Say what signing would do; what is refused is in the answer."""
        options, signer, algorithm = wish.parts
        return pdf_preflight.preflight(source, options=options, signer=signer, algorithm=algorithm)

    def preview(self, source: BinaryIO, wish: Wish, *, dpi: float = DEFAULT_DPI) -> Preview:
        """Draw the page with the stamp; raises PdfError."""
        options, signer, algorithm = wish.parts
        return pdf_preview.preview(
            source, options=options, signer=signer, algorithm=algorithm, dpi=dpi
        )


class IsolatedReading:
    """Reads in a worker of `isolation`; the document is a file of the operating system."""

    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    def preflight(self, source: BinaryIO, wish: Wish) -> Preflight:
        """Say what signing would do; what is refused is in the answer."""
        packed = pickle.dumps(wish.parts)
        told = self._done(Job(kind="preflight", parts=(packed,), files=(source,))).head
        found = cast("list[dict[str, str]]", told["findings"])
        return Preflight(
            document=cast("dict[str, JSON]", told["document"]),
            findings=tuple(Message(**each) for each in found),  # type: ignore[arg-type]  # levels
            place=cast("dict[str, JSON] | None", told["place"]),
            refusal=refusal(told) if "refused" in told else None,
        )

    def preview(self, source: BinaryIO, wish: Wish, *, dpi: float = DEFAULT_DPI) -> Preview:
        """Draw the page with the stamp; raises PdfError."""
        packed = pickle.dumps(wish.parts)
        job = Job(kind="preview", head={"dpi": dpi}, parts=(packed,), files=(source,))
        answer = self._done(job)
        told = answer.head
        if "refused" in told:
            raise refusal(told)
        left, bottom, right, top = (float(each) for each in cast("list[float]", told["box"]))
        return Preview(
            png=bytes(answer.parts[0]),
            page=int(str(told["page"])),
            pages=int(str(told["pages"])),
            box=(left, bottom, right, top),
            scale=float(str(told["scale"])),
        )

    def _done(self, job: Job) -> Frame:
        try:
            answer = self._isolation.run(job, seconds=SECONDS)
        except JobLost as error:
            what = "reading the document took too long or too much memory"
            raise LimitExceeded(what, limit=int(SECONDS)) from error
        if "lost" in answer.head:
            raise LimitExceeded("the document takes too much memory", limit=int(SECONDS))
        return answer
