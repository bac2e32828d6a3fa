"""Verify every signature of a PDF: whatever the bytes, a report and never an exception.

The walk: open (`document`), find signatures (`signature_fields`), check each ByteRange literally
(`byte_range`), check the CMS (`cms_check`), classify later revisions (`changes`), then combine
with certificates and time-stamps (`conclusions`) into the report (`report`).
"""

from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import BinaryIO

from pdf import cms_check, decryption
from pdf.agreement import note_disagreements
from pdf.byte_range import ByteRange, Coverage, check_byte_range, covered_bytes, digest_ranges
from pdf.change_kinds import Change, ChangeLevel
from pdf.changes import ChangeHistory
from pdf.cms_check import CmsFacts, Covered
from pdf.differences import looks_of
from pdf.document import Document, load
from pdf.errors import EncryptedPdf, LimitExceeded, NotAPdf, PdfError
from pdf.examined import Examined
from pdf.known import Evidence
from pdf.limits import DEFAULT_LIMITS, Limits
from pdf.passes import pieces
from pdf.permissions import Permissions
from pdf.pictures import compare_pictures, name_pages
from pdf.proven_times import all_certificates, conclude_all
from pdf.report import (
    DocumentReport,
    Indication,
    decide,
    worst,
)
from pdf.rules import DEFAULT_RULES, Rules
from pdf.security_store import read_security_store
from pdf.signature_fields import FoundSignature, find_signatures
from pdf.signature_reports import render_signature
from pdf.stale_values import shows_other_values
from pdf.syntax import Buffer, PdfDict, PdfObject
from pdf.validator import CertificateValidator, PathVerdict, RevocationFact

__all__ = ["CertificateValidator", "PathVerdict", "RevocationFact", "verify"]


def verify(  # noqa: PLR0913 (the walk's inputs; each is a fact of its own kind)
    source: BinaryIO,
    *,
    name: str,
    at: datetime,
    checked_at: datetime,
    validator: CertificateValidator,
    password: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    rules: Rules = DEFAULT_RULES,
) -> DocumentReport:
    """Verify the file `source` as of `at`; `checked_at` is when the question was asked.

    `rules` say which algorithms count until when and what signatures must have. Reads the whole
    file, fetches nothing. Content never raises: a file that no reader opens gives
    `NOT_A_PDF`, a broken signature gives FORMAT_FAILURE.
    """
    blank = DocumentReport(
        file=name,
        sha256="",
        size=0,
        checked_at=checked_at,
        validation_time=at,
        indication=Indication.NOT_A_PDF,
        revisions=0,
        encrypted=False,
        reasons=("NOT_A_PDF",),
    )
    try:
        buffer = load(source, limits=limits)
    except LimitExceeded:
        return replace(blank, reasons=("LIMIT_EXCEEDED",))
    blank = replace(blank, sha256=_fingerprint(buffer), size=len(buffer))
    try:
        return _verify(
            (source, buffer),
            blank,
            validator=validator,
            password=password,
            limits=limits,
            rules=rules,
        )
    except (LimitExceeded, MemoryError):
        return replace(blank, reasons=("LIMIT_EXCEEDED",))
    except NotAPdf:
        return blank
    except Exception:  # noqa: BLE001 (the promise of this door: content never raises)
        return replace(blank, reasons=("INTERNAL_FAILURE",))


def _fingerprint(buffer: Buffer) -> str:
    engine = sha256()
    for piece in pieces(buffer, 0, len(buffer)):
        engine.update(piece)
    return engine.hexdigest()


def _verify(
    given: tuple[BinaryIO, Buffer],
    blank: DocumentReport,
    *,
    validator: CertificateValidator,
    password: str | None,
    limits: Limits,
    rules: Rules,
) -> DocumentReport:
    source, buffer = given
    document = Document(buffer, limits=limits)
    encrypted = "Encrypt" in document.latest.trailer
    locked = False
    if encrypted:
        try:
            decryption.unlock(document, password)
        except EncryptedPdf:
            locked = True
    examined = [_examine(document, item) for item in find_signatures(document)]
    examined.sort(key=lambda item: (not item.found.reachable, item.byte_range.end))
    _later_changes(document, examined, locked=locked)
    compare_pictures(document, source, examined, password=password)
    name_pages(document, examined)
    note_disagreements(document, examined)
    if document.latest.repaired:
        for item in examined:
            item.problems.append("FILE_REPAIRED")
    if shows_other_values(document.latest):
        for item in examined:
            item.problems.append("FIELD_SHOWS_OTHER_VALUE")
    store = read_security_store(document.latest)
    evidence = Evidence(
        validator=validator,
        at=blank.validation_time,
        others=all_certificates(examined, store),
        crls=tuple(store.crls),
        ocsp_responses=tuple(store.ocsp_responses),
        rules=rules,
    )
    conclude_all(examined, evidence, limits)
    signatures = tuple(
        render_signature(item, index=index, store=store, examined=examined, at=evidence.at)
        for index, item in enumerate(examined)
    )
    indication = worst(signature.indication for signature in signatures)
    reasons = decide(indication, signatures)
    return replace(
        blank,
        indication=indication,
        revisions=len(document.latest.sections),
        encrypted=encrypted,
        signatures=signatures,
        reasons=("PASSWORD_REQUIRED", *reasons) if locked and not signatures else reasons,
        looks=looks_of(examined),
    )


def _examine(document: Document, found: FoundSignature) -> Examined:
    """Structure and mathematics of one signature; one bad signature does not hide others."""
    view = document.latest
    sub_filter = view.name(found.dictionary.get("SubFilter"))
    timestamp = sub_filter == cms_check.TIMESTAMP
    problems: list[str] = [] if found.reachable else ["SIGNATURE_ORPHANED"]
    facts = CmsFacts()
    try:
        byte_range = check_byte_range(document, found)
        problems += byte_range.problems
        facts = _check(document, found, byte_range, sub_filter, problems)
    except Exception:  # noqa: BLE001 (one broken signature must not hide the others)
        byte_range = ByteRange(
            ranges=(), end=0, coverage=Coverage.PARTIAL, problems=("INTERNAL_FAILURE",),
            revision=None,
        )  # fmt: skip
        problems.append("INTERNAL_FAILURE")
    return Examined(
        found=found,
        byte_range=byte_range,
        facts=facts,
        sub_filter=sub_filter,
        is_timestamp=timestamp,
        problems=problems,
    )


def _check(
    document: Document,
    found: FoundSignature,
    byte_range: ByteRange,
    sub_filter: str | None,
    problems: list[str],
) -> CmsFacts:
    contents: PdfObject = document.latest.resolve(found.dictionary.get("Contents"))
    if not isinstance(contents, bytes) or not contents.strip(b"\x00"):
        problems.append("CONTENTS_NOT_HEXADECIMAL")
        return CmsFacts()
    if not byte_range.ranges:
        return _claims_only(contents, sub_filter, document.limits)
    ranges = byte_range.ranges
    digests: dict[str, bytes] = {}

    def digest(name: str) -> bytes:
        if name not in digests:
            digests[name] = digest_ranges(document.buffer, ranges, name)
        return digests[name]

    covered = Covered(digest=digest, everything=lambda: covered_bytes(document.buffer, ranges))
    if sub_filter == cms_check.RAW_RSA:
        certificates = _dictionary_certificates(document, found.dictionary)
        return cms_check.check_raw_rsa(contents, certificates, covered=covered)
    supported = {*cms_check.DETACHED, cms_check.SHA1_INSIDE, cms_check.TIMESTAMP}
    if sub_filter not in supported:
        problems.append("SUB_FILTER_UNSUPPORTED")
    return cms_check.check_cms(
        contents, sub_filter=sub_filter, covered=covered, limits=document.limits
    )


def _claims_only(contents: bytes, sub_filter: str | None, limits: Limits) -> CmsFacts:
    """Read who claims to have signed where nothing can be checked."""
    nothing = Covered(digest=lambda _: b"", everything=lambda: b"")
    facts = cms_check.check_cms(contents, sub_filter=sub_filter, covered=nothing, limits=limits)
    facts.digest_match = facts.signature_match = False
    return facts


def _dictionary_certificates(document: Document, dictionary: PdfDict) -> list[bytes]:
    value = document.latest.resolve(dictionary.get("Cert"))
    items = value if isinstance(value, list) else [value]
    resolved = [document.latest.resolve(item) for item in items]
    return [item for item in resolved if isinstance(item, bytes)]


def _later_changes(document: Document, examined: list[Examined], *, locked: bool) -> None:
    history = ChangeHistory(document)
    for item in examined:
        if not item.byte_range.sound or not item.found.reachable:
            continue
        try:
            permissions = Permissions.of(item.byte_range.revision, item.found)
            level, changes = history.after(item.byte_range, permissions)
        except PdfError:
            level, changes = ChangeLevel.OTHER, (
                Change(what="unknown", where="document", level=ChangeLevel.OTHER),
            )  # fmt: skip
        item.level, item.changes = level, changes
        if locked and item.byte_range.coverage is not Coverage.WHOLE_FILE:
            item.problems.append("CHANGES_UNKNOWN")
        if any(change.permitted_by is None for change in changes):
            item.problems.append("CHANGES_FORBIDDEN")
        elif changes:
            item.problems.append("CHANGES_PERMITTED")
