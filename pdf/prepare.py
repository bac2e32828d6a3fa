"""First of the three steps of a signature: a document becomes bytes to be signed.

    prepare  ->  sign the bytes, wherever the key is  ->  embed

The staged file is the whole new document with an empty signature in it; the state says what has
to be signed and where the answer goes. Neither holds a secret, both can wait for days.
"""

from dataclasses import replace
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
from pdf.precedence import require_precedence
from pdf.prepared import PreparedSignature
from pdf.produced import hashed, produced
from pdf.revision import Revision, Wanted
from pdf.signature_objects import stamp_words
from pdf.signer import SignerChain
from pdf.spot import AnchorSpot
from pdf.staging import copy
from pdf.words import find_words

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

    Both are seekable binary files; `staged` is overwritten from its start. It is hashed as it reads
    back, in chunks. Nothing is written to `staged` when the document is refused.

    Raises NotAPdf, DamagedPdf, NoPages, EncryptedPdf, PasswordIncorrect, SigningNotPermitted,
    FieldUnavailable, PlacementInvalid, StampUnreadable, GlyphMissing, CertificateUnsuitable.
    """
    template = template_for(signer, algorithm)
    reserved = options.timestamp_size if options.level.reaches(Level.B_T) else 0
    room = template.room_needed(timestamp_size=reserved)
    revision = write_revision(source, Wanted(options, signer, algorithm.hash_algorithm, room))
    revision.close_byte_range()
    copy(source, staged)
    staged.write(revision.tail)
    prefix = hashed(staged, algorithm.hash_algorithm, revision.byte_range)
    document_digest = prefix.own_digest
    return PreparedSignature(
        to_be_signed=template.signed_attributes(document_digest),
        document_digest=document_digest,
        algorithm=algorithm,
        level=options.level,
        byte_range=revision.byte_range,
        contents_offset=revision.contents_offset,
        contents_length=revision.contents_length,
        field=revision.field,
        produced=produced(staged, prefix),
    )


def write_revision(source: BinaryIO, wanted: Wanted) -> Revision:
    """Take the short way where the document and the wish are plain, else the object layer."""
    require_pdf(source)
    require_precedence(source, wanted.options, wanted.signer)
    wanted = _with_anchor(source, wanted)
    page = plain_wish(wanted)
    if page is not None:
        with opened(source) as buffer:
            document = plain_document(buffer, page=page)
            revision = write_direct(document, wanted) if document is not None else None
            if revision is not None:
                return revision
    return write_layered(source, wanted)


def _with_anchor(source: BinaryIO, wanted: Wanted) -> Wanted:
    """Find the words that the stamp is to stand at, if it is to stand at words."""
    options = wanted.options
    spot = options.spot
    if not isinstance(spot, AnchorSpot) or options.stamp is None or options.field is not None:
        return wanted
    words = stamp_words(options, wanted.signer)
    text = spot.text
    for word in ("name", "position", "organization"):
        text = text.replace(f"{{{word}}}", words[word] or "")
    found = find_words(
        source,
        text,
        occurrence=spot.occurrence,
        page=options.page,
        password=options.password,
    )
    return replace(wanted, anchor=found)
