"""First of the three steps of a signature: a document becomes bytes to be signed.

    prepare  ->  sign the bytes, wherever the key is  ->  embed

The staged file is the whole new document with an empty signature in it; the state says what has
to be signed and where the answer goes. Neither holds a secret, both can wait for days.
"""

from typing import BinaryIO

from pdf.cms import SignatureAlgorithm, template_for
from pdf.direct_revision import plain_wish, write_direct
from pdf.layer import require_pdf
from pdf.layered_revision import write_layered
from pdf.options import (
    CertificationLevel,
    Level,
    SignatureOptions,
    SubFilter,
)
from pdf.plain_document import opened, plain_document
from pdf.prepared import PreparedSignature
from pdf.revision import Revision, Wanted
from pdf.signer import SignerChain
from pdf.staging import copy_and_hash

__all__ = [
    "CertificationLevel",
    "Level",
    "PreparedSignature",
    "SignatureAlgorithm",
    "SignatureOptions",
    "SignerChain",
    "SubFilter",
    "prepare",
]


def prepare(
    source: BinaryIO,
    staged: BinaryIO,
    *,
    options: SignatureOptions,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
) -> PreparedSignature:
    """Write the new revision of `source` to `staged`, with room for the signature.

    Both are seekable binary files; `staged` is overwritten from its start. The document is hashed
    while it is copied, in chunks. Nothing is written to `staged` when the document is refused.

    Raises NotAPdf, DamagedPdf, NoPages, EncryptedPdf, PasswordIncorrect, SigningNotPermitted,
    FieldUnavailable, PlacementInvalid, StampUnreadable, GlyphMissing, CertificateUnsuitable.
    """
    template = template_for(signer, algorithm)
    reserved = options.timestamp_size if options.level.reaches(Level.B_T) else 0
    room = template.room_needed(timestamp_size=reserved)
    revision = _write_revision(source, Wanted(options, signer, algorithm.hash_algorithm, room))
    revision.close_byte_range()
    running = copy_and_hash(source, staged, hash_algorithm=algorithm.hash_algorithm)
    staged.write(revision.tail)
    _, before, after, _ = revision.byte_range
    whole = memoryview(revision.tail)
    running.update(whole[: before - revision.base])
    running.update(whole[after - revision.base :])
    document_digest = running.digest()
    return PreparedSignature(
        to_be_signed=template.signed_attributes(document_digest),
        document_digest=document_digest,
        algorithm=algorithm,
        level=options.level,
        byte_range=revision.byte_range,
        contents_offset=revision.contents_offset,
        contents_length=revision.contents_length,
        field=revision.field,
    )


def _write_revision(source: BinaryIO, wanted: Wanted) -> Revision:
    """Take the short way where the document and the wish are plain, else the object layer."""
    require_pdf(source)
    page = plain_wish(wanted)
    if page is not None:
        with opened(source) as buffer:
            document = plain_document(buffer, page=page)
            if document is not None:
                return write_direct(document, wanted)
    return write_layered(source, wanted)
