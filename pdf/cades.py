"""Detached signatures over any file: CAdES baseline B-B to B-LTA in a `.p7s` (ETSI EN 319 122-1).

    prepare_detached  ->  sign the bytes, wherever the key is  ->  finish_detached

The file is only read. The container is DER, as `openssl cms -verify -cades` and mail programs take
it. Verifying is in `detached`.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Self

from pdf.algorithms import SignatureAlgorithm, check_signature
from pdf.cades_levels import Raised, raised
from pdf.cms import template_for
from pdf.cms_check import Covered
from pdf.errors import PreparedStateInvalid, SignatureRejected
from pdf.evidence import EvidenceSource
from pdf.extend import ExtensionOptions
from pdf.options import Level, SignatureFormat
from pdf.signature_math import Digest
from pdf.signer import SignerChain
from pdf.staging import chunks
from pdf.statement import NOTHING_STATED, Statement
from pdf.timestamps import TimestampSource


@dataclass(frozen=True)
class PreparedDetached:
    """What has to be signed, fit to be stored; `to_be_signed` is the DER SET of signed attributes.

    It holds no secret and no part of the file, which is not needed any more.
    """

    to_be_signed: bytes
    document_digest: bytes
    algorithm: SignatureAlgorithm
    level: Level
    signing_time: datetime

    @property
    def digest(self) -> bytes:
        """Give the hash of `to_be_signed`, for keys that sign a digest."""
        return hashlib.new(self.hash_algorithm, self.to_be_signed).digest()

    @property
    def hash_algorithm(self) -> str:
        """Name the digest of file and attributes."""
        return self.algorithm.hash_algorithm

    @property
    def field(self) -> str:
        """Name the form field, of which there is none."""
        return ""

    def to_json(self) -> str:
        """Write the state as JSON."""
        state = {
            "version": 1,
            "format": SignatureFormat.CADES,
            "to_be_signed": self.to_be_signed.hex(),
            "document_digest": self.document_digest.hex(),
            "algorithm": self.algorithm,
            "level": self.level,
            "signing_time": self.signing_time.isoformat(),
        }
        return json.dumps(state, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the state; raises PreparedStateInvalid for anything else."""
        try:
            state = json.loads(text)
            if (state["version"], state["format"]) != (1, SignatureFormat.CADES):
                raise PreparedStateInvalid("the stored signature state is of another version")
            return cls(
                bytes.fromhex(state["to_be_signed"]),
                bytes.fromhex(state["document_digest"]),
                SignatureAlgorithm(state["algorithm"]),
                Level(state["level"]),
                datetime.fromisoformat(state["signing_time"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PreparedStateInvalid("the stored signature state cannot be read") from error

    def content(self) -> Covered:
        """Give what is known of the file, which is its one digest."""

        def digest(name: str) -> bytes:
            return self.document_digest if name == self.hash_algorithm else b""

        return Covered(digest=digest, everything=bytes)


def prepare_detached(
    source: BinaryIO,
    *,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
    signing_time: datetime,
    level: Level = Level.B_B,
    statement: Statement = NOTHING_STATED,
) -> PreparedDetached:
    """Hash a file and give what is to be signed; raises CertificateUnsuitable."""
    template = template_for(signer, algorithm)
    digest = _digest(source, algorithm.hash_algorithm)
    to_be_signed = template.signed_attributes(
        digest, signing_time=signing_time, stated=statement.attributes
    )
    return PreparedDetached(to_be_signed, digest, algorithm, level, signing_time)


def finish_detached(
    prepared: PreparedDetached,
    *,
    signature: bytes,
    signer: SignerChain,
    timestamps: TimestampSource | None = None,
    evidence: EvidenceSource | None = None,
    at: datetime | None = None,
) -> Raised:
    """Give the finished container at the level that was prepared.

    `evidence` and `at`, the present, are needed from B-LT on. Raises SignatureRejected,
    TimestampUnavailable, EvidenceUnavailable.
    """
    template = template_for(signer, prepared.algorithm)
    if not template.has_signed(
        prepared.to_be_signed, prepared.document_digest, signing_time=prepared.signing_time
    ):
        raise SignatureRejected("the file was prepared for another certificate")
    check_signature(
        signer.public_key, prepared.algorithm, signature=signature, signed=prepared.to_be_signed
    )
    container = template.container(prepared.to_be_signed, signature)
    if prepared.level is Level.B_B:
        return Raised(container, None)
    options = ExtensionOptions(
        level=prepared.level,
        at=at or prepared.signing_time,
        timestamps=timestamps,
        evidence=evidence,
    )
    return raised(container, prepared.content(), options)


def _digest(source: BinaryIO, name: str) -> bytes:
    engine = Digest(name)
    for chunk in chunks(source):
        engine.update(chunk)
    return engine.finish()
