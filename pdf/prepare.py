"""First of the three steps of a signature: a document becomes bytes to be signed.

    prepare  ->  sign the bytes, wherever the key is  ->  embed

The staged file is the whole new document with an empty signature in it; the state says what has
to be signed and where the answer goes. Neither holds a secret, both can wait for days.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import BinaryIO

from pdf.bounded_document import MOST_BYTES, BoundedDocument
from pdf.cms import SignatureAlgorithm, template_for
from pdf.direct_revision import plain_wish, write_direct
from pdf.errors import PdfError
from pdf.options import (
    CertificationLevel,
    Level,
    SignatureOptions,
    SubFilter,
)
from pdf.packed_objects import NotPlain
from pdf.plain_document import opened, plain_document
from pdf.precedence import require_precedence
from pdf.prepared import PreparedSignature
from pdf.produced import hashed, produced
from pdf.revision import Revision, Wanted
from pdf.signature_objects import stamp_words
from pdf.signer import SignerChain
from pdf.spot import AnchorSpot
from pdf.staging import copy, size_of
from pdf.whole_file import require_pdf
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
    "prepare_here",
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
    wish = _Wish(options, signer, algorithm)
    return wish.staged(source, staged, write_revision(source, wish.wanted()))


def prepare_here(
    source: BinaryIO,
    staged: BinaryIO,
    *,
    options: SignatureOptions,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
) -> PreparedSignature | None:
    """Do the same for a small plain file, with so little work that nobody has to stop it.

    None where there is more to do, or anything is wrong: then nothing was written, and `prepare`,
    in a process that can be stopped, does it or says why not. The bounds are those of
    `pdf.bounded_document`.
    """
    if not _is_little(options) or size_of(source) > MOST_BYTES:
        return None
    try:
        wish = _Wish(options, signer, algorithm)
        wanted = wish.wanted()
        require_pdf(source)
        page = plain_wish(wanted)
        if page is None:
            return None
        with opened(source) as buffer:
            document = plain_document(buffer, page=page, reader=BoundedDocument)
            revision = write_direct(document, wanted) if document is not None else None
    except (PdfError, NotPlain):
        return None
    return None if revision is None else wish.staged(source, staged, revision)


def _is_little(options: SignatureOptions) -> bool:
    """Say whether nothing is asked for that looks into signatures, words or images."""
    stamp = options.stamp
    if stamp is None:
        return True
    if stamp.image is not None or isinstance(options.spot, AnchorSpot):
        return False
    return stamp.look.habit.covers is None and not stamp.look.after_person


@dataclass(frozen=True)
class _Wish:
    """What is asked for, apart from the document."""

    options: SignatureOptions
    signer: SignerChain
    algorithm: SignatureAlgorithm

    def wanted(self) -> Wanted:
        """Say how much room the signature needs."""
        template = template_for(self.signer, self.algorithm)
        has_stamp = self.options.level.reaches(Level.B_T)
        room = template.room_needed(
            timestamp_size=self.options.timestamp_size * has_stamp,
            stated=self.options.statement.attributes,
        )
        return Wanted(self.options, self.signer, self.algorithm.hash_algorithm, room)

    def staged(self, source: BinaryIO, staged: BinaryIO, revision: Revision) -> PreparedSignature:
        """Write the document with its new revision, and say what is to be signed."""
        revision.close_byte_range()
        copy(source, staged)
        staged.write(revision.tail)
        prefix = hashed(staged, self.algorithm.hash_algorithm, revision.byte_range)
        document_digest = prefix.own_digest
        template = template_for(self.signer, self.algorithm)
        return PreparedSignature(
            to_be_signed=template.signed_attributes(
                document_digest, stated=self.options.statement.attributes
            ),
            document_digest=document_digest,
            algorithm=self.algorithm,
            level=self.options.level,
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
        with opened(source) as buffer, suppress(NotPlain):
            document = plain_document(buffer, page=page)
            revision = write_direct(document, wanted) if document is not None else None
            if revision is not None:
                return revision
    from pdf.layered_revision import write_layered  # noqa: PLC0415 -- most documents need no layer

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
