"""Verify a CMS or CAdES signature (`.p7s`, `.p7m`) over any file, with the report of a PDF.

Each signer is one signature of the report, its archive time-stamps are among its time-stamps, as
those over a document. A signature in PEM or base64 is read like one in DER; one that carries its
content needs no second file (RFC 5652, EN 319 122-1).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from typing import BinaryIO

from pdf import cms_check, signed_data
from pdf.archive_stamps import Archive, ArchivedSigner, ArchiveStamp, archive_stamps, read_archive
from pdf.byte_range import ByteRange, Coverage
from pdf.cms_check import CmsFacts, Covered
from pdf.der import BadDer
from pdf.examined import Examined
from pdf.known import Evidence
from pdf.limits import DEFAULT_LIMITS, Limits
from pdf.proven_times import all_certificates, conclude_all
from pdf.report import DocumentReport, Indication, SignatureReport, decide, worst
from pdf.rules import DEFAULT_RULES, Rules
from pdf.security_store import SecurityStore
from pdf.signature_fields import FoundSignature
from pdf.signature_math import Digest
from pdf.signature_reports import render_signature
from pdf.signed_data import SignedData
from pdf.syntax import PdfDict
from pdf.validator import CertificateValidator

_CHUNK = 1024 * 1024
_PEM = re.compile(rb"-----BEGIN (?:PKCS7|CMS|PKCS #7 SIGNED DATA)-----(.+?)-----END", re.DOTALL)
_WHOLE = ByteRange(ranges=(), end=0, coverage=Coverage.WHOLE_FILE, problems=(), revision=None)
_NEVER = datetime.max.replace(tzinfo=UTC)
_CADES, _PLAIN = "ETSI.CAdES.detached", "adbe.pkcs7.detached"


@dataclass(frozen=True, kw_only=True)
class DetachedQuestion:
    """Which file is judged for which moment; `content_name` is the signed file's own name."""

    content_name: str
    at: datetime
    checked_at: datetime


def looks_like_cms(first: bytes) -> bool:
    """Say whether a file that begins so may be a CMS signature: DER, PEM, or base64 of DER."""
    start = first.lstrip()
    return start[:1] == b"\x30" or start.startswith((b"-----BEGIN", b"MII", b"MIA"))


def verify_detached(
    signature: bytes,
    content: BinaryIO | None,
    question: DetachedQuestion,
    *,
    validator: CertificateValidator,
    limits: Limits = DEFAULT_LIMITS,
    rules: Rules = DEFAULT_RULES,
) -> DocumentReport:
    """Judge every signer of a CMS over `content`, or over what the CMS itself carries.

    Never raises for what the files hold: bytes that are no CMS are one signature with
    FORMAT_FAILURE.
    """
    try:
        container = unwrapped(signature)
        data = signed_data.parse_signed_data(container, limits=limits)
        archive = read_archive(container)
    except (BadDer, ValueError, IndexError, OverflowError, RecursionError):
        nothing = [[_unreadable()]]
        return _report(nothing, content or BytesIO(), question, validator, (limits, rules))
    examined = _examine(data, archive, content, limits)
    source = content if content is not None else BytesIO(data.content or b"")
    return _report(examined, source, question, validator, (limits, rules))


def unwrapped(data: bytes) -> bytes:
    """Give the DER inside PEM or base64; raises BadDer for what looks like them and is not."""
    found = _PEM.search(data)
    text = found[1] if found else data
    if found or data.lstrip()[:3] in {b"MII", b"MIA"}:
        try:
            return base64.b64decode(b"".join(text.split()), validate=True)
        except binascii.Error as error:
            raise BadDer("the signature is damaged base64") from error
    return data


def _examine(
    data: SignedData, archive: Archive, content: BinaryIO | None, limits: Limits
) -> list[list[Examined]]:
    """Check each signer on its own, over the file or over what is inside.

    Each comes first in its list, behind it are its archive time-stamps.
    """
    examined = []
    inside = data.content
    covered = DetachedContent(content if content is not None else BytesIO(inside or b""))
    for facts, signer in zip(_each_signer(data, covered.access()), archive.signers, strict=True):
        if content is None and inside is None:
            facts.digest_match = facts.signature_match = False
            facts.note("CONTENT_MISSING")
        elif content is not None and inside and covered.digest("sha256") != sha256(inside).digest():
            facts.digest_match = False
        first = _examined(facts)
        stamps = archive_stamps(archive, signer, covered.access(), limits)
        examined.append([first, *_archived(first, signer, stamps)])
    return examined or [[_unreadable("CMS_NO_SIGNER")]]


def _archived(
    first: Examined, signer: ArchivedSigner, stamps: list[ArchiveStamp]
) -> Iterator[Examined]:
    """Put archive time-stamps where a PDF's document time-stamps would be, over what they cover.

    What one covers comes before it, whatever the clocks said: those are judged against each other.
    """
    made: dict[int, Examined] = {}
    waiting = sorted(stamps, key=lambda one: one.facts.token_time or _NEVER)
    while waiting:
        left = {one.position for one in waiting}
        stamp = next((one for one in waiting if left.isdisjoint(one.covered)), waiting[0])
        waiting.remove(stamp)
        earlier = [made[place] for place in stamp.covered if place in made]
        end = 1 + max((each.byte_range.end for each in earlier), default=0)
        made[stamp.position] = replace(
            _examined(stamp.facts),
            is_timestamp=True,
            byte_range=replace(_WHOLE, end=end),
            covers=(first, *earlier),
            covered_tokens=frozenset(signer.values[place][1] for place in stamp.covered),
            holds_evidence=stamp.holds_evidence,
        )
        yield made[stamp.position]


def _each_signer(data: SignedData, covered: Covered) -> Iterator[CmsFacts]:
    for signer in data.signers:
        yield cms_check.check_signed_data(replace(data, content=None, signers=(signer,)), covered)


class DetachedContent:
    """The signed file, digested once for each algorithm."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._digests: dict[str, bytes] = {}

    def access(self) -> Covered:
        """Give what a check asks for."""
        return Covered(digest=self.digest, everything=self._everything)

    def digest(self, name: str) -> bytes:
        """Hash the file, once for each algorithm."""
        if name not in self._digests:
            engine = Digest(name)
            self._source.seek(0)
            while chunk := self._source.read(_CHUNK):
                engine.update(chunk)
            self._digests[name] = engine.finish()
        return self._digests[name]

    def _everything(self) -> bytes:
        self._source.seek(0)
        return self._source.read()


def _unreadable(code: str = "CMS_MALFORMED") -> Examined:
    facts = CmsFacts()
    facts.note(code)
    return _examined(facts)


def _examined(facts: CmsFacts) -> Examined:
    """Put the facts where a PDF signature's would be: everything is covered, nothing came later."""
    return Examined(
        found=FoundSignature(
            field=None, dictionary=PdfDict(), holder=None, number=None, reachable=True
        ),
        byte_range=_WHOLE,
        facts=facts,
        sub_filter=_CADES if facts.has_signing_certificate else _PLAIN,
        is_timestamp=False,
        covers=(),
    )


def _report(
    examined: list[list[Examined]],
    source: BinaryIO,
    question: DetachedQuestion,
    validator: CertificateValidator,
    bounds: tuple[Limits, Rules],
) -> DocumentReport:
    limits, rules = bounds
    every = [item for group in examined for item in group]
    evidence = Evidence(
        validator=validator,
        at=question.at,
        others=all_certificates(every, SecurityStore()),
        # the evidence beside the signers is that of their time-stamps, too (EN 319 122-1 5.4)
        crls=_each_once(item.facts.crls for item in every),
        ocsp_responses=_each_once(item.facts.ocsp_responses for item in every),
        rules=rules,
    )
    for group in examined:
        conclude_all(group, evidence, limits)
    signatures = tuple(
        _rendered(group, index=index, at=question.at) for index, group in enumerate(examined)
    )
    indication = worst(signature.indication for signature in signatures)
    size = source.seek(0, 2)
    return DocumentReport(
        file=question.content_name,
        sha256=DetachedContent(source).digest("sha256").hex(),
        size=size,
        checked_at=question.checked_at,
        validation_time=question.at,
        indication=Indication(indication),
        revisions=0,
        encrypted=False,
        signatures=signatures,
        reasons=decide(indication, signatures),
    )


def _each_once(groups: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(one for group in groups for one in group))


def _rendered(group: list[Examined], *, index: int, at: datetime) -> SignatureReport:
    """Give the report of one signer; there is no PDF, so there is no sub-filter."""
    store = SecurityStore()
    report = render_signature(group[0], index=index, store=store, examined=group, at=at)
    return replace(report, sub_filter=None)
