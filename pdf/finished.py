"""Whether a file is the signed version of another one: for work that was interrupted and goes on.

A signed file begins with every byte of its original. What follows must hold a signature by the
given certificate that holds over the new revision, and what its level asks for. A signature beside
a file has to hold over the whole of it.
"""

from typing import BinaryIO

from pdf.cades_levels import MAX_CMS_BYTES, reached
from pdf.document import Document
from pdf.errors import PdfError
from pdf.kept_signatures import KeptSignature, check, locate
from pdf.options import Level
from pdf.plain_document import opened
from pdf.staging import chunks, size_of


def is_finished(source: BinaryIO, target: BinaryIO, *, certificate: bytes, level: Level) -> bool:
    """Say whether `target` is `source`, signed by this certificate at this level or above.

    Whatever cannot be read is not finished; nothing is raised for what the files hold.
    """
    size = size_of(source)
    if size_of(target) <= size or not _begins_alike(source, target, size):
        return False
    try:
        with opened(target) as buffer:
            document = Document(buffer)
            kept = check(document, locate(document), {})
            stored = "DSS" in (document.latest.dictionary(document.latest.trailer["Root"]) or {})
    except (PdfError, ValueError, KeyError, OverflowError, RecursionError):
        return False
    own = [each for each in kept if _is_own(each, certificate, size)]
    if not own:
        return False
    if level.reaches(Level.B_T) and not any(each.tokens for each in own):
        return False
    if level.reaches(Level.B_LT) and not stored:
        return False
    return not level.reaches(Level.B_LTA) or any(each.is_timestamp for each in kept)


def is_finished_beside(
    source: BinaryIO, target: BinaryIO, *, certificate: bytes, level: Level
) -> bool:
    """Say whether `target` is this certificate's signature over `source` at this level or above."""
    found = reached(target.read(MAX_CMS_BYTES), source, certificate=certificate)
    return found is not None and found.reaches(level)


def _is_own(signature: KeptSignature, certificate: bytes, size: int) -> bool:
    signer = signature.facts.signer
    return (
        not signature.is_timestamp
        and signature.end > size
        and signer is not None
        and signer.encoded == certificate
    )


def _begins_alike(source: BinaryIO, target: BinaryIO, size: int) -> bool:
    target.seek(0)
    left = size
    for chunk in chunks(source):
        if target.read(len(chunk)) != bytes(chunk):
            return False
        left -= len(chunk)
    return left == 0
