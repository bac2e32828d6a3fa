"""Raising detached signatures, ours and other people's, to B-T and B-LT (ETSI EN 319 122-1).

    B-B  -> B-T    a signature time-stamp among the unsigned attributes of each signer
    B-T  -> B-LT   certificates, CRLs and OCSP answers in the SignedData itself

A container has no room that could run out, and what a signature covers is not among what is added
here; so unlike in a PDF the container itself grows. Only what it does not prove already is added.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

from pdf import cms_check, der, signed_data
from pdf import der_writer as writer
from pdf.addition import NewEvidence
from pdf.cms_check import CmsFacts, Covered
from pdf.der import BadDer, Node
from pdf.detached import DetachedContent, unwrapped
from pdf.errors import LevelNotPossible, NothingToExtend, SignatureBroken, TimestampUnavailable
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
_STAMP_HASH = "sha256"
_TIME_STAMP = writer.oid(signed_data.SIGNATURE_TIME_STAMP)
_OCSP_RESPONSE = writer.oid(signed_data.OCSP_RESPONSE_FORMAT)
_SIGNED_DATA = writer.oid(signed_data.SIGNED_DATA)

# context tags: certificates and crls of SignedData, unsigned attributes of SignerInfo, other
# revocation information (RFC 5652 sections 5.1, 5.3, 10.2.1)
_CERTIFICATES, _CRLS = 0xA0, 0xA1
_UNSIGNED_ATTRIBUTES, _OTHER = 0xA1, 0xA1
# RFC 5652 section 5.1: what holds revocation information that is no CRL has this version
_VERSION_WITH_OTHER = 5


def extend_detached(signature: bytes, content: BinaryIO, options: ExtensionOptions) -> bytes:
    """Give the container over `content` with every signer raised to `options.level`.

    PEM and base64 are taken, DER is given. Raises NothingToExtend for bytes that are no CMS,
    SignatureBroken, LevelNotPossible, TimestampUnavailable, EvidenceUnavailable.
    """
    return raised(signature, DetachedContent(content).access(), options)


def extend_beside(
    source: BinaryIO, target: BinaryIO, options: ExtensionOptions, content: BinaryIO
) -> Extended:
    """Write the container in `source`, raised, to `target`; as `pdf.extend.extend` does for a PDF.

    Raises what `extend_detached` raises.
    """
    source.seek(0)
    signature = source.read(MAX_CMS_BYTES)
    made = extend_detached(signature, content, options)
    target.seek(0)
    target.truncate()
    target.write(made)
    target.flush()
    return Extended(options.level, len(made), made != signature, None)


def raised(signature: bytes, covered: Covered, options: ExtensionOptions) -> bytes:
    """Raise a container over content that is known by its digests."""
    if options.level is Level.B_LTA:
        raise LevelNotPossible("a detached signature goes up to B-LT")
    try:
        container = unwrapped(signature)
        data = signed_data.parse_signed_data(container, limits=DEFAULT_LIMITS)
    except (BadDer, ValueError, IndexError) as error:
        raise NothingToExtend("these bytes are no signature in CMS") from error
    kept = [_kept(data, index, covered) for index in range(len(data.signers))]
    if not kept:
        raise NothingToExtend("the container names no signer")
    new_tokens = [_new_token(each, options) for each in kept]
    gathering = Gathering(kept, _store(data))
    new = NewEvidence()
    if options.level.reaches(Level.B_LT):
        new = gathering.missing(options.evidence, at=options.at)
    if not new and not any(new_tokens):
        return container
    return _rebuilt(container, new_tokens, new)


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


def _new_token(kept: KeptSignature, options: ExtensionOptions) -> bytes | None:
    """Time-stamp a signature that has no proven time; None where it has one, or needs none."""
    if kept.tokens or not options.level.reaches(Level.B_T):
        return None
    if options.timestamps is None:
        raise TimestampUnavailable(f"level {options.level} needs a time-stamp server")
    imprint = digest_of(_STAMP_HASH, kept.facts.signature)
    token = options.timestamps.timestamp(imprint, _STAMP_HASH)
    facts = _over(kept.facts, token)
    if facts is None:
        raise TimestampUnavailable("the time-stamp does not prove this signature")
    kept.tokens.append(facts)
    return token


def _store(data: SignedData) -> SecurityStore:
    return SecurityStore(
        present=True,
        certificates=list(data.certificates),
        crls=list(data.crls),
        ocsp_responses=list(data.ocsp_responses),
    )


def _rebuilt(container: bytes, tokens: list[bytes | None], new: NewEvidence) -> bytes:
    """Write the container again around the parts that stay as they are."""
    fields = der.parse(container).children()[1].children()[0].children()
    version, algorithms, content, *optional, signers = fields
    certificates = _grown(optional, _CERTIFICATES, new.certificates)
    answers = (writer.tlv(_OTHER, _OCSP_RESPONSE, answer) for answer in new.ocsp_responses)
    crls = _grown(optional, _CRLS, (*new.crls, *answers))
    number = der.integer(version)
    if new.ocsp_responses:
        number = max(number, _VERSION_WITH_OTHER)
    grown = zip(signers.children(), tokens, strict=True)
    inner = writer.sequence(
        writer.integer(number),
        algorithms.raw,
        content.raw,
        certificates,
        crls,
        writer.set_of(_stamped(signer, token) for signer, token in grown),
    )
    return writer.sequence(_SIGNED_DATA, writer.tlv(0xA0, inner))


def _grown(fields: list[Node], tag: int, more: Iterable[bytes]) -> bytes:
    """Give a SET OF with its present members and more; nothing when it would be empty."""
    present = [child.raw for node in fields if node.tag == tag for child in node.children()]
    members = dict.fromkeys([*present, *more])
    return writer.set_of(members, tag=tag) if members else b""


def _stamped(signer: Node, token: bytes | None) -> bytes:
    """Give a SignerInfo with the token among its unsigned attributes."""
    if token is None:
        return signer.raw
    parts = signer.children()
    attribute = writer.sequence(_TIME_STAMP, writer.tlv(writer.SET, token))
    last = parts[-1]
    present = [child.raw for child in last.children()] if last.tag == _UNSIGNED_ATTRIBUTES else []
    kept = parts[:-1] if present else parts
    attributes = writer.set_of((*present, attribute), tag=_UNSIGNED_ATTRIBUTES)
    return writer.sequence(*(part.raw for part in kept), attributes)
