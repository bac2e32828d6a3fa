"""Detached signatures over any file: CAdES baseline B-B and B-T in a `.p7s` (ETSI EN 319 122-1).

    prepare_detached  ->  sign the bytes, wherever the key is  ->  finish_detached

The file is only read. The container is DER, as `openssl cms -verify -cades` and mail programs take
it. Verifying is in `detached`.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from pdf.algorithms import SignatureAlgorithm, check_signature
from pdf.cms import template_for
from pdf.errors import SignatureRejected, TimestampUnavailable
from pdf.options import Level
from pdf.signature_math import Digest, digest_of
from pdf.signer import SignerChain
from pdf.staging import chunks
from pdf.timestamps import TimestampSource


@dataclass(frozen=True)
class PreparedDetached:
    """What has to be signed; `to_be_signed` is the DER SET of signed attributes."""

    to_be_signed: bytes
    document_digest: bytes
    algorithm: SignatureAlgorithm
    level: Level
    signing_time: datetime

    @property
    def digest(self) -> bytes:
        """Give the hash of `to_be_signed`, for keys that sign a digest."""
        return hashlib.new(self.algorithm.hash_algorithm, self.to_be_signed).digest()


def prepare_detached(
    source: BinaryIO,
    *,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
    signing_time: datetime,
    level: Level = Level.B_B,
) -> PreparedDetached:
    """Hash a file and give what is to be signed; raises CertificateUnsuitable."""
    template = template_for(signer, algorithm)
    digest = _digest(source, algorithm.hash_algorithm)
    to_be_signed = template.signed_attributes(digest, signing_time=signing_time)
    return PreparedDetached(to_be_signed, digest, algorithm, level, signing_time)


def finish_detached(
    prepared: PreparedDetached,
    *,
    signature: bytes,
    signer: SignerChain,
    timestamps: TimestampSource | None = None,
) -> bytes:
    """Give the finished container; at level B-T with a time-stamp over the signature.

    Raises SignatureRejected, TimestampUnavailable.
    """
    template = template_for(signer, prepared.algorithm)
    expected = template.signed_attributes(
        prepared.document_digest, signing_time=prepared.signing_time
    )
    if expected != prepared.to_be_signed:
        raise SignatureRejected("the file was prepared for another certificate")
    check_signature(
        signer.public_key, prepared.algorithm, signature=signature, signed=prepared.to_be_signed
    )
    tokens: tuple[bytes, ...] = ()
    if prepared.level.reaches(Level.B_T):
        if timestamps is None:
            raise TimestampUnavailable("level B-T needs a time-stamp server")
        name = prepared.algorithm.hash_algorithm
        tokens = (timestamps.timestamp(digest_of(name, signature), name),)
    return template.container(prepared.to_be_signed, signature, tokens=tokens)


def _digest(source: BinaryIO, name: str) -> bytes:
    engine = Digest(name)
    for chunk in chunks(source):
        engine.update(chunk)
    return engine.finish()
