"""Raising the level of signatures that exist, ours and other people's (ETSI EN 319 142-1).

    B-B  -> B-T    a document time-stamp over everything that is there
    B-T  -> B-LT   certificates, OCSP answers and CRLs in the document security store
    B-LT -> B-LTA  a document time-stamp over all that; once more, it renews the one before

Everything is added behind the file: not a byte that was signed or handed out is touched. Only what
the document does not prove already is added, and nothing twice. A document with a signature that
does not hold is refused, since no evidence could mend it.
"""

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from pdf import decryption, signed_data
from pdf.addition import Addition, Extension, NewEvidence
from pdf.certificates import read_certificate
from pdf.der import BadDer
from pdf.direct_extension import write_extension
from pdf.document import Document
from pdf.errors import ContainerTooSmall, NothingToExtend, TimestampRejected, TimestampUnavailable
from pdf.evidence import EvidenceSource
from pdf.evidence_gathering import Gathering
from pdf.kept_signatures import KeptSignature, check, check_stamp, locate, proven_since
from pdf.limits import DEFAULT_LIMITS
from pdf.options import DEFAULT_TIMESTAMP_SIZE, Level
from pdf.packed_objects import NotPlain
from pdf.plain_document import opened, plain_document
from pdf.range_digests import Prefix, RangeDigests, Wanted
from pdf.security_store import read_security_store
from pdf.signature_math import Digest
from pdf.staging import chunks, size_of
from pdf.timestamps import TimestampSource
from pdf.whole_file import require_pdf

__all__ = ["Extended", "ExtensionOptions", "extend", "extend_in_place", "stamp_end"]

# The hash of document time-stamps; every server takes it, and it has no end in sight.
STAMP_HASH = "sha256"
# Tokens of one server differ by the length of an ECDSA signature and a serial number.
_TOKEN_SLACK = 64


@dataclass(frozen=True, kw_only=True)
class ExtensionOptions:
    """What to reach, with whose help.

    `at` is the present, aware. `timestamps` is needed for B-LTA and for signatures without a proven
    time, `evidence` for B-LT and B-LTA. `timestamp_size` is the room for a token in bytes; when it
    is left out, the tokens that are there say how large they are.
    """

    level: Level
    at: datetime
    timestamps: TimestampSource | None = None
    evidence: EvidenceSource | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    timestamp_size: int | None = None


@dataclass(frozen=True)
class Extended:
    """What was done: `size` of the document now, and whether anything had to be added.

    `proven_until` is the end of the certificate whose time-stamp holds everything together: until
    then, and not longer, the document can be validated or renewed. None where nothing is stamped.
    """

    level: Level
    size: int
    changed: bool
    proven_until: datetime | None


def extend(source: BinaryIO, target: BinaryIO, options: ExtensionOptions) -> Extended:
    """Write the document to `target` with its signatures raised to `options.level`.

    Both are seekable binary files; the source is read once, while it is copied. A document that has
    the level is copied as it is; at B-LTA a new archive time-stamp is added always.

    Raises NothingToExtend, SignatureBroken, EvidenceUnavailable, CertificateUnproven,
    TimestampUnavailable, and what opening the document raises. `target` is then of no use.
    """
    return _extend(source, target, options, prefix=None)


def extend_in_place(
    file: BinaryIO, options: ExtensionOptions, *, prefix: Prefix | None = None
) -> Extended:
    """Extend a file by writing behind its end; on an error it is as it was before.

    `prefix` spares reading what the caller has hashed already.
    """
    size = size_of(file)
    try:
        return _extend(file, None, options, prefix=prefix)
    except BaseException:
        file.truncate(size)
        raise


def _extend(
    source: BinaryIO, target: BinaryIO | None, options: ExtensionOptions, *, prefix: Prefix | None
) -> Extended:
    require_pdf(source)
    with opened(source) as buffer:
        document = Document(buffer)
        if "Encrypt" in document.latest.trailer:
            decryption.unlock(document, options.password)
        located = locate(document)
        if not located:
            raise NothingToExtend("the document holds no signature")
        wanted = [found for each in located if (found := each.wanted(document.limits))]
        digests, running = _read_through(source, target, wanted, prefix)
        signatures = check(document, located, digests)
        store = read_security_store(document.latest)
    return _Work(target or source, options, running, Gathering(signatures, store)).run()


def _read_through(
    source: BinaryIO, target: BinaryIO | None, wanted: list[Wanted], prefix: Prefix | None
) -> tuple[dict[Wanted, bytes], Digest]:
    """Give every digest and the hash of the whole file, copying it on the way."""
    if prefix and prefix.name == STAMP_HASH and all(each in prefix.digests for each in wanted):
        running = prefix.running.copy()
        for chunk in chunks(source, start=prefix.length):
            running.update(chunk)
        return dict(prefix.digests), running
    reading = RangeDigests(wanted, whole=STAMP_HASH)
    if target is not None:
        target.seek(0)
        target.truncate()
    for chunk in chunks(source):
        reading.update(chunk)
        if target is not None:
            target.write(chunk)
    return reading.finish(), reading.running()


def stamp_end(token: bytes) -> datetime:
    """Give the end of the certificate that signed a time-stamp token; raises TimestampRejected."""
    try:
        data = signed_data.parse_signed_data(token, limits=DEFAULT_LIMITS)
        signer = data.signers[0]
        for certificate in map(read_certificate, data.certificates):
            if (certificate.issuer, certificate.serial_number) == (
                signer.issuer,
                signer.serial_number,
            ):
                return certificate.not_after
    except (BadDer, ValueError, IndexError) as error:
        raise TimestampRejected("the token cannot be read") from error
    raise TimestampRejected("the token does not carry its authority's certificate")


class _Work:
    """One document being extended; `running` is the hash of all its bytes so far."""

    def __init__(
        self, file: BinaryIO, options: ExtensionOptions, running: Digest, gathering: Gathering
    ) -> None:
        self.file = file
        self.options = options
        self.running = running
        self.gathering = gathering
        self.begun_with = size_of(file)

    def run(self) -> Extended:
        """Add what is missing for the level, step by step."""
        level = self.options.level
        signatures = self.gathering.signatures
        unproven = any(
            proven_since(each, signatures) is None for each in signatures if not each.is_timestamp
        )
        if level.reaches(Level.B_T) and unproven:
            self._stamp(NewEvidence())
        if level.reaches(Level.B_LT):
            evidence = self.gathering.missing(self.options.evidence, at=self.options.at)
            if level is Level.B_LTA:
                self._stamp(evidence)
                # the archive's server may be another one than the signature's
                evidence = self.gathering.missing_for_last(
                    self.options.evidence, at=self.options.at
                )
            if evidence:
                self._append(self._written(Addition(evidence=evidence)).tail)
        self.file.flush()
        size = size_of(self.file)
        return Extended(level, size, size != self.begun_with, self.gathering.proven_until())

    def _written(self, addition: Addition) -> Extension:
        """Take the short way where the document is plain, else the object layer."""
        with opened(self.file) as buffer, suppress(NotPlain):
            document = plain_document(buffer, page=1)
            extension = document and write_extension(document, addition)
            if extension:
                return extension
        from pdf.layered_extension import (  # noqa: PLC0415 -- most documents need no layer
            write_layered_extension,
        )

        return write_layered_extension(self.file, addition, password=self.options.password)

    def _append(self, tail: bytes | bytearray) -> None:
        self.running.update(memoryview(tail))
        self.file.seek(0, 2)
        self.file.write(tail)
        self.file.flush()

    def _stamp(self, evidence: NewEvidence) -> None:
        """Add evidence and a time-stamp over everything, in one revision."""
        if self.options.timestamps is None:
            raise TimestampUnavailable(f"level {self.options.level} needs a time-stamp server")
        room = self.options.timestamp_size or self.gathering.usual_token() or DEFAULT_TIMESTAMP_SIZE
        try:
            stamped = self._stamped(evidence, room + _TOKEN_SLACK, self.options.timestamps)
        except ContainerTooSmall as small:
            # another server of the list may have answered, with a longer chain
            room = small.needed + _TOKEN_SLACK
            stamped = self._stamped(evidence, room, self.options.timestamps)
        self.gathering.note(stamped, evidence)

    def _stamped(
        self, evidence: NewEvidence, room: int, timestamps: TimestampSource
    ) -> KeptSignature:
        extension = self._written(Addition(evidence=evidence, timestamp_room=room))
        stamp = extension.stamp
        if stamp is None:
            raise TimestampUnavailable("no room was made for the time-stamp")
        _, before, after, _ = stamp.byte_range
        whole = memoryview(extension.tail)
        running = self.running.copy()
        running.update(whole[: before - stamp.base])
        running.update(whole[after - stamp.base :])
        digest = running.finish()
        token = timestamps.timestamp(digest, STAMP_HASH)
        facts = check_stamp(token, digest=lambda name: digest if name == STAMP_HASH else b"")
        if facts is None:
            raise TimestampRejected("the time-stamp does not prove this document")
        digits = token.hex().encode()
        if len(digits) > stamp.contents_length:
            raise ContainerTooSmall(needed=len(token), reserved=stamp.contents_length // 2)
        at = stamp.contents_offset - stamp.base
        whole.release()
        extension.tail[at : at + len(digits)] = digits
        self._append(extension.tail)
        end = stamp.base + len(extension.tail)
        return KeptSignature(field="", end=end, is_timestamp=True, facts=facts, size=len(token))
