"""Preparing a stranger's document for a signature, in a worker unless it is small and plain.

Does what `pdf.prepare.prepare` does and refuses with the same errors; a document that overruns its
time or memory is refused with LimitExceeded. What is read in this process, and why that is safe, is
in `pdf.bounded_document` and decision 24.
"""

import pickle
from typing import BinaryIO, Final, Protocol

from pdf.algorithms import SignatureAlgorithm
from pdf.errors import LimitExceeded
from pdf.options import SignatureOptions
from pdf.prepare import prepare_here
from pdf.prepared import PreparedSignature
from pdf.signer import SignerChain
from signing.isolation import Isolation, Job, JobLost
from signing.told_errors import refusal

SECONDS: Final = 30.0


class Prepare(Protocol):
    """The first step of a signature, wherever it is done."""

    def __call__(
        self,
        source: BinaryIO,
        staged: BinaryIO,
        *,
        options: SignatureOptions,
        signer: SignerChain,
        algorithm: SignatureAlgorithm,
    ) -> PreparedSignature:
        """Write the new revision of `source` to `staged`; raises PdfError."""


class IsolatedPrepare:
    """Prepares in a worker of `isolation`, or here what is little work.

    Both files must be files of the operating system.
    """

    def __init__(self, isolation: Isolation, *, seconds: float = SECONDS) -> None:
        self._isolation = isolation
        self._seconds = seconds

    def __call__(
        self,
        source: BinaryIO,
        staged: BinaryIO,
        *,
        options: SignatureOptions,
        signer: SignerChain,
        algorithm: SignatureAlgorithm,
    ) -> PreparedSignature:
        """Write the new revision of `source` to `staged`; raises PdfError."""
        here = prepare_here(source, staged, options=options, signer=signer, algorithm=algorithm)
        if here is not None:
            staged.flush()
            return here
        wish = pickle.dumps((options, signer, algorithm))
        job = Job(kind="prepare", parts=(wish,), files=(source, staged))
        try:
            answer = self._isolation.run(job, seconds=self._seconds).head
        except JobLost as error:
            what = "reading the document took too long or too much memory"
            raise LimitExceeded(what, limit=int(self._seconds)) from error
        if "prepared" in answer:
            staged.seek(0, 2)
            return PreparedSignature.from_json(str(answer["prepared"]))
        if "refused" in answer:
            raise refusal(answer)
        raise LimitExceeded("the document takes too much memory", limit=int(self._seconds))
