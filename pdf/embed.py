"""Last of the three steps of a signature: the raw signature goes into the document.

Nothing is believed on the way: the staged file is hashed as it reads back (`pdf.produced` says by
whom), the byte range is read from it, the attributes are rebuilt from that hash, the signature is
checked with the certificate's key, and the finished bytes are read back. A file that fails any of
this is not handed out.
"""

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from typing import BinaryIO

from pdf.algorithms import check_signature
from pdf.cms import template_for
from pdf.errors import (
    ContainerTooSmall,
    PreparedStateInvalid,
    SignatureRejected,
    TimestampUnavailable,
)
from pdf.options import Level
from pdf.prepared import PreparedSignature
from pdf.produced import hashed
from pdf.range_digests import Prefix
from pdf.signer import SignerChain
from pdf.staging import read_back, size_of
from pdf.timestamps import TimestampSource

__all__ = ["EmbeddedSignature", "embed", "reopen"]

# Around the gap: the dictionary's own words must be where the state says.
_WINDOW = 128
_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]\s*/Contents\s*$")


@dataclass(frozen=True)
class EmbeddedSignature:
    """A finished signature: its field, level (B-B or B-T), container and what was hashed.

    `token` is the time-stamp inside. `prefix` lets an extension go on from what was hashed here.
    """

    field: str
    level: Level
    container: bytes
    document_digest: bytes
    size: int
    token: bytes | None = None
    prefix: Prefix | None = dataclasses.field(default=None, repr=False, compare=False)


def embed(
    staged: BinaryIO,
    prepared: PreparedSignature,
    *,
    signature: bytes,
    signer: SignerChain,
    timestamps: TimestampSource | None = None,
) -> EmbeddedSignature:
    """Put `signature` (over `prepared.to_be_signed`) into the staged file, in place.

    At level B-T and above `timestamps` gives the token over the signature value; what the levels
    beyond B-T need is added by `extend_in_place`.

    Raises SignatureRejected, PreparedStateInvalid, CertificateUnsuitable, ContainerTooSmall,
    TimestampUnavailable. The staged file is then unchanged and still waits for its signature.
    """
    prefix = _require_waiting(staged, prepared)
    template = template_for(signer, prepared.algorithm)
    if not template.has_signed(prepared.to_be_signed, prepared.document_digest):
        raise SignatureRejected("the document was prepared for another certificate")
    check_signature(
        signer.public_key, prepared.algorithm, signature=signature, signed=prepared.to_be_signed
    )
    tokens: tuple[bytes, ...] = ()
    level = Level.B_T if prepared.level.reaches(Level.B_T) else Level.B_B
    if level is Level.B_T:
        tokens = (_token(signature, prepared, timestamps),)
    container = template.container(prepared.to_be_signed, signature, tokens=tokens)
    digits = container.hex().encode()
    if len(digits) > prepared.contents_length:
        raise ContainerTooSmall(needed=len(container), reserved=prepared.contents_length // 2)
    staged.seek(prepared.contents_offset)
    staged.write(digits)
    staged.flush()
    _require_written(staged, prepared, container)
    return EmbeddedSignature(
        field=prepared.field,
        level=level,
        container=container,
        document_digest=prepared.document_digest,
        size=size_of(staged),
        token=tokens[0] if tokens else None,
        prefix=prefix,
    )


def reopen(staged: BinaryIO, prepared: PreparedSignature) -> None:
    """Empty the place of the signature again, for a finish that was broken off half-way.

    What an extension wrote behind the prepared document goes, too. The document around the place
    is not touched; `embed` checks as ever that it is the prepared one.
    """
    prepared.require_consistent()
    _, _, after, rest = prepared.byte_range
    if size_of(staged) > after + rest:
        staged.truncate(after + rest)
    if size_of(staged) >= prepared.contents_offset + prepared.contents_length:
        staged.seek(prepared.contents_offset)
        staged.write(b"0" * prepared.contents_length)
        staged.flush()


def _token(
    signature: bytes, prepared: PreparedSignature, timestamps: TimestampSource | None
) -> bytes:
    if timestamps is None:
        raise TimestampUnavailable(f"level {prepared.level} needs a time-stamp server")
    name = prepared.hash_algorithm
    return timestamps.timestamp(hashlib.new(name, signature).digest(), name)


def _require_waiting(staged: BinaryIO, prepared: PreparedSignature) -> Prefix:
    """Raise PreparedStateInvalid unless the file is the prepared one, its gap still empty."""
    prepared.require_consistent()
    _, before, after, rest = prepared.byte_range
    known = prepared.produced
    remembered = known is not None and known.still(staged)
    staged = read_back(staged)
    if size_of(staged) != after + rest:
        raise PreparedStateInvalid("the staged file does not have the size it was prepared with")
    staged.seek(max(0, before - _WINDOW))
    found = _BYTE_RANGE.search(staged.read(min(before, _WINDOW)))
    if found is None or tuple(map(int, found.groups())) != prepared.byte_range:
        raise PreparedStateInvalid("the staged file has no signature where the state says")
    gap = staged.read(after - before)
    if gap != b"<" + b"0" * prepared.contents_length + b">":
        raise PreparedStateInvalid("the place of the signature is not empty any more")
    if known is not None and remembered:
        prefix = known.prefix
    else:
        prefix = hashed(staged, prepared.hash_algorithm, prepared.byte_range)
    if prefix.own_digest != prepared.document_digest:
        raise PreparedStateInvalid("the staged file was changed since it was prepared")
    return prefix


def _require_written(staged: BinaryIO, prepared: PreparedSignature, container: bytes) -> None:
    _, before, after, _ = prepared.byte_range
    staged.seek(before)
    padded = container.hex().encode().ljust(prepared.contents_length, b"0")
    if staged.read(after - before) != b"<" + padded + b">":
        raise PreparedStateInvalid("the finished signature does not read back as it was written")
