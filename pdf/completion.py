"""Finishing a prepared document at its level, whatever the time-stamp server answers with.

The room for a time-stamp inside the signature is reserved before anybody knows how long the token
will be. One that does not fit goes behind the file, as a document time-stamp over the signature:
the level is the same, nothing is signed again, and nothing fails (EN 319 142-1 sections 5.3, 5.5).
"""

from dataclasses import dataclass, replace
from typing import BinaryIO

from pdf.embed import EmbeddedSignature, embed
from pdf.errors import ContainerTooSmall
from pdf.extend import Extended, ExtensionOptions, extend_in_place
from pdf.options import Level
from pdf.prepared import PreparedSignature
from pdf.signer import SignerChain


@dataclass(frozen=True)
class Completed:
    """The signature, and what was added behind it; None where nothing had to be."""

    made: EmbeddedSignature
    extended: Extended | None = None


def complete(
    staged: BinaryIO,
    prepared: PreparedSignature,
    options: ExtensionOptions,
    *,
    signature: bytes,
    signer: SignerChain,
) -> Completed:
    """Put `signature` into the staged file and raise it to the level that it was prepared for.

    Raises what `embed` and `extend_in_place` raise. A signature that is in the file already when
    its extension fails is taken out by `reopen`.
    """
    options = replace(options, level=prepared.level)
    try:
        made = embed(
            staged,
            prepared,
            signature=signature,
            signer=signer,
            timestamps=options.timestamps,
        )
    except ContainerTooSmall:
        if prepared.level is Level.B_B:
            raise
        alone = replace(prepared, level=Level.B_B)
        made = embed(staged, alone, signature=signature, signer=signer)
        return Completed(made, extend_in_place(staged, options, prefix=made.prefix))
    if not prepared.level.reaches(Level.B_LT):
        return Completed(made)
    return Completed(made, extend_in_place(staged, options, prefix=made.prefix))
