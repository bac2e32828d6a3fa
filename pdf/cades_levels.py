"""Raising detached signatures, ours and other people's, to any level (ETSI EN 319 122-1).

    B-B  -> B-T    a signature time-stamp among the unsigned attributes of each signer
    B-T  -> B-LT   certificates, CRLs and OCSP answers in the SignedData itself
    B-LT -> B-LTA  an archive time-stamp for each signer; once more, it renews the one before

A container has no room that could run out, and what a signature covers is not among what is added
here; so unlike in a PDF the container itself grows. Only what it does not prove already is added.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from pdf import cms_check, der, signed_data
from pdf import der_writer as writer
from pdf.addition import NewEvidence
from pdf.archive_stamps import (
    DEFAULT_HASH,
    IMPRINTED,
    Archive,
    archive_attribute,
    archive_stamps,
    read_archive,
    with_index,
)
from pdf.cms_check import CmsFacts, Covered
from pdf.der import BadDer, Node
from pdf.detached import DetachedContent, unwrapped
from pdf.errors import (
    NothingToExtend,
    SignatureBroken,
    TimestampRejected,
    TimestampUnavailable,
)
from pdf.evidence_gathering import Gathering
from pdf.extend import Extended, ExtensionOptions
from pdf.kept_signatures import KeptSignature, check_stamp
from pdf.limits import DEFAULT_LIMITS
from pdf.options import Level
from pdf.security_store import SecurityStore
from pdf.signature_math import digest_of
from pdf.signed_data import SignedData

# Certificates and revocation lists of several signers; a container is no place for documents.
MAX_CMS_BYTES = 64 * 1024 * 1024
_TIME_STAMP = writer.oid(signed_data.SIGNATURE_TIME_STAMP)
_OCSP_RESPONSE = writer.oid(signed_data.OCSP_RESPONSE_FORMAT)
_SIGNED_DATA = writer.oid(signed_data.SIGNED_DATA)

# context tags: certificates and crls of SignedData, unsigned attributes of SignerInfo, other
# revocation information (RFC 5652 sections 5.1, 5.3, 10.2.1)
_CERTIFICATES, _CRLS = 0xA0, 0xA1
_UNSIGNED_ATTRIBUTES, _OTHER = 0xA1, 0xA1
# RFC 5652 section 5.1: what holds revocation information that is no CRL has this version
_VERSION_WITH_OTHER = 5


@dataclass(frozen=True)
class Raised:
    """A container, and until when it can be proven: the first end among its signers' stamps."""

    container: bytes
    proven_until: datetime | None


def extend_detached(signature: bytes, content: BinaryIO, options: ExtensionOptions) -> bytes:
    """Give the container over `content` with every signer raised to `options.level`.

    PEM and base64 are taken, DER is given. Raises NothingToExtend for bytes that are no CMS,
    SignatureBroken, TimestampUnavailable, EvidenceUnavailable.
    """
    return raised(signature, DetachedContent(content).access(), options).container


def reached(signature: bytes, content: BinaryIO, *, certificate: bytes) -> Level | None:
    """Say which level a container over `content` has for the signer with this certificate.

    None where there is no such signer, or a signature in it does not hold.
    """
    try:
        container = unwrapped(signature)
        data = signed_data.parse_signed_data(container, limits=DEFAULT_LIMITS)
        archive = read_archive(container)
        covered = DetachedContent(content).access()
        kept = [_kept(data, index, covered) for index in range(len(data.signers))]
    except (BadDer, SignatureBroken, ValueError, IndexError):
        return None
    for index, each in enumerate(kept):
        if each.facts.signer is not None and each.facts.signer.encoded == certificate:
            return _level_of(each, data, _archived(archive, index, covered))
    return None


def _level_of(kept: KeptSignature, data: SignedData, archived: list[KeptSignature]) -> Level:
    if not kept.tokens:
        return Level.B_B
    if not (data.crls or data.ocsp_responses):
        return Level.B_T
    return Level.B_LTA if archived else Level.B_LT


def extend_beside(
    source: BinaryIO, target: BinaryIO, options: ExtensionOptions, content: BinaryIO
) -> Extended:
    """Write the container in `source`, raised, to `target`; as `pdf.extend.extend` does for a PDF.

    Raises what `extend_detached` raises.
    """
    source.seek(0)
    signature = source.read(MAX_CMS_BYTES)
    made = raised(signature, DetachedContent(content).access(), options)
    target.seek(0)
    target.truncate()
    target.write(made.container)
    target.flush()
    size, changed = len(made.container), made.container != signature
    return Extended(options.level, size, changed, made.proven_until)


def raised(signature: bytes, covered: Covered, options: ExtensionOptions) -> Raised:
    """Raise a container over content that is known by its digests."""
    try:
        container = unwrapped(signature)
        data = signed_data.parse_signed_data(container, limits=DEFAULT_LIMITS)
        archive = read_archive(container)
    except (BadDer, ValueError, IndexError) as error:
        raise NothingToExtend("these bytes are no signature in CMS") from error
    kept = [_kept(data, index, covered) for index in range(len(data.signers))]
    if not kept:
        raise NothingToExtend("the container names no signer")
    attributes = [_stamp_attribute(_new_token(each, options)) for each in kept]
    store, gatherings, found = _store(data), [], []
    for index, each in enumerate(kept):
        gathering = Gathering([each, *_archived(archive, index, covered)], store)
        gatherings.append(gathering)
        if options.level.reaches(Level.B_LT):
            found.append(gathering.missing(options.evidence, at=options.at))
            _count(store, found[-1])
    new = _joined(found)
    if new or any(attributes):
        container = _rebuilt(container, attributes, new)
    if options.level is Level.B_LTA:
        container = _with_archive(container, gatherings, covered, options)
    ends = [end for each in gatherings if (end := each.proven_until())]
    return Raised(container, min(ends) if len(ends) == len(gatherings) else None)


def _with_archive(
    container: bytes, gatherings: list[Gathering], covered: Covered, options: ExtensionOptions
) -> bytes:
    """Put an archive time-stamp over each signer, and the evidence for the stamps behind it."""
    archive = read_archive(container)
    attributes: list[bytes | None] = []
    for gathering, signer in zip(gatherings, archive.signers, strict=True):
        first = gathering.signatures[0]
        used = first.facts.digest_name
        name = used if used in IMPRINTED else DEFAULT_HASH
        index = archive.index(signer, name)
        imprint = archive.imprint(signer, index, covered, name)
        token = _asked(options, imprint, name)
        attributes.append(archive_attribute(with_index(token, index)))
        facts = _over_imprint(token, imprint)
        if facts is None:
            raise TimestampRejected("the time-stamp does not prove this signature")
        end = max(each.end for each in gathering.signatures) + 1
        stamp = KeptSignature(field="", end=end, is_timestamp=True, facts=facts, size=len(token))
        gathering.note(stamp, NewEvidence())
    # the archive's server may be another one than the signature's
    last = [each.missing_for_last(options.evidence, at=options.at) for each in gatherings]
    return _rebuilt(container, attributes, _joined(last))


def _archived(archive: Archive, index: int, covered: Covered) -> list[KeptSignature]:
    """Give the archive time-stamps of a signer that hold, each over all before it."""
    chain: list[KeptSignature] = []
    places: set[int] = set()
    stamps = archive_stamps(archive, archive.signers[index], covered)
    for stamp in sorted(stamps, key=lambda one: len(one.covered)):
        facts = stamp.facts
        holds = facts.digest_match and facts.signature_match and facts.signer is not None
        if holds and places <= stamp.covered:
            chain.append(
                KeptSignature(field="", end=len(chain) + 1, is_timestamp=True, facts=facts)
            )
            places.add(stamp.position)
    return chain


def _kept(data: SignedData, index: int, covered: Covered) -> KeptSignature:
    """Check one signer; raises SignatureBroken naming it."""
    one = replace(data, content=None, signers=(data.signers[index],))
    facts = cms_check.check_signed_data(one, covered)
    if facts.signer is None or not facts.digest_match or not facts.signature_match:
        raise SignatureBroken(facts.signer.subject_text() if facts.signer else "")
    stamps = [_over(facts, token) for token in facts.timestamp_tokens]
    tokens = [stamp for stamp in stamps if stamp is not None]
    return KeptSignature(field="", end=0, is_timestamp=False, facts=facts, tokens=tokens)


def _over(facts: CmsFacts, token: bytes) -> CmsFacts | None:
    return check_stamp(token, digest=lambda name: digest_of(name, facts.signature))


def _over_imprint(token: bytes, imprint: bytes) -> CmsFacts | None:
    return check_stamp(token, digest=lambda _: imprint)


def _new_token(kept: KeptSignature, options: ExtensionOptions) -> bytes | None:
    """Time-stamp a signature that has no proven time; None where it has one, or needs none."""
    if kept.tokens or not options.level.reaches(Level.B_T):
        return None
    imprint = digest_of(DEFAULT_HASH, kept.facts.signature)
    token = _asked(options, imprint, DEFAULT_HASH)
    facts = _over(kept.facts, token)
    if facts is None:
        raise TimestampRejected("the time-stamp does not prove this signature")
    kept.tokens.append(facts)
    return token


def _asked(options: ExtensionOptions, imprint: bytes, name: str) -> bytes:
    if options.timestamps is None:
        raise TimestampUnavailable(f"level {options.level} needs a time-stamp server")
    return options.timestamps.timestamp(imprint, name)


def _stamp_attribute(token: bytes | None) -> bytes | None:
    return token and writer.sequence(_TIME_STAMP, writer.tlv(writer.SET, token))


def _store(data: SignedData) -> SecurityStore:
    return SecurityStore(
        present=True,
        certificates=list(data.certificates),
        crls=list(data.crls),
        ocsp_responses=list(data.ocsp_responses),
    )


def _count(store: SecurityStore, new: NewEvidence) -> None:
    store.certificates += new.certificates
    store.crls += new.crls
    store.ocsp_responses += new.ocsp_responses


def _joined(found: Iterable[NewEvidence]) -> NewEvidence:
    listed = list(found)
    return NewEvidence(
        certificates=tuple(dict.fromkeys(item for one in listed for item in one.certificates)),
        crls=tuple(dict.fromkeys(item for one in listed for item in one.crls)),
        ocsp_responses=tuple(dict.fromkeys(item for one in listed for item in one.ocsp_responses)),
    )


def _rebuilt(container: bytes, attributes: list[bytes | None], new: NewEvidence) -> bytes:
    """Write the container again around the parts that stay; one new attribute for each signer."""
    fields = der.parse(container).children()[1].children()[0].children()
    version, algorithms, content, *optional, signers = fields
    certificates = _grown(optional, _CERTIFICATES, new.certificates)
    answers = (writer.tlv(_OTHER, _OCSP_RESPONSE, answer) for answer in new.ocsp_responses)
    crls = _grown(optional, _CRLS, (*new.crls, *answers))
    number = der.integer(version)
    if new.ocsp_responses:
        number = max(number, _VERSION_WITH_OTHER)
    grown = zip(signers.children(), attributes, strict=True)
    inner = writer.sequence(
        writer.integer(number),
        algorithms.raw,
        content.raw,
        certificates,
        crls,
        writer.set_of(_with(signer, attribute) for signer, attribute in grown),
    )
    return writer.sequence(_SIGNED_DATA, writer.tlv(0xA0, inner))


def _grown(fields: list[Node], tag: int, more: Iterable[bytes]) -> bytes:
    """Give a SET OF with its present members and more; nothing when it would be empty."""
    present = [child.raw for node in fields if node.tag == tag for child in node.children()]
    members = dict.fromkeys([*present, *more])
    return writer.set_of(members, tag=tag) if members else b""


def _with(signer: Node, attribute: bytes | None) -> bytes:
    """Give a SignerInfo with one more unsigned attribute."""
    if attribute is None:
        return signer.raw
    parts = signer.children()
    last = parts[-1] if parts[-1].tag == _UNSIGNED_ATTRIBUTES else None
    present = [child.raw for child in last.children()] if last else []
    kept = parts[:-1] if last else parts
    attributes = writer.set_of((*present, attribute), tag=_UNSIGNED_ATTRIBUTES)
    return writer.sequence(*(part.raw for part in kept), attributes)
