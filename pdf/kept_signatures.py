"""The signatures of a document as an extension sees them: what each proves, and since when.

Structure first, so that one pass over the file can then give every digest; the mathematics is
checked with these. Whether certificates are trusted is not asked here.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pdf import cms_check, der, signed_data
from pdf.byte_range import check_byte_range, covered_bytes, digest_ranges
from pdf.cms_check import CmsFacts, Covered
from pdf.der import BadDer
from pdf.document import Document
from pdf.errors import SignatureBroken
from pdf.limits import DEFAULT_LIMITS, Limits
from pdf.range_digests import Ranges, Wanted
from pdf.signature_fields import FoundSignature, form_signatures
from pdf.signature_math import digest_of, hash_name
from pdf.syntax import PdfDict

Digests = Mapping[Wanted, bytes]


@dataclass(kw_only=True, eq=False)
class KeptSignature:
    """A signature or document time-stamp that holds.

    `end` is where its ByteRange ends, `size` the bytes of its container without padding.
    """

    field: str
    end: int
    is_timestamp: bool
    facts: CmsFacts
    tokens: list[CmsFacts] = dataclasses.field(default_factory=list)
    size: int = 0


@dataclass(frozen=True)
class Located:
    """A signature before its digest is known."""

    found: FoundSignature
    contents: bytes
    sub_filter: str | None
    ranges: Ranges
    end: int

    @property
    def name(self) -> str:
        """The name of its field."""
        return self.found.field or ""

    def wanted(self, limits: Limits) -> Wanted | None:
        """Say which digest checking it takes; None when that cannot be told beforehand."""
        try:
            name = _digest_name(self.contents, self.sub_filter, limits)
        except (BadDer, ValueError, IndexError):
            name = None
        return None if name is None else Wanted(name, self.ranges)


def locate(document: Document) -> list[Located]:
    """Find the signatures of the form; SignatureBroken for one that covers no whole revision."""
    located = []
    view = document.latest
    for found in form_signatures(view):
        contents = view.resolve(found.dictionary.get("Contents"))
        checked = check_byte_range(document, found)
        if not checked.sound or not isinstance(contents, bytes):
            raise SignatureBroken(found.field or "")
        sub_filter = view.name(found.dictionary.get("SubFilter"))
        located.append(Located(found, contents, sub_filter, checked.ranges, checked.end))
    return located


def _digest_name(contents: bytes, sub_filter: str | None, limits: Limits) -> str | None:
    if sub_filter == cms_check.SHA1_INSIDE:
        return "sha1"
    data = signed_data.parse_signed_data(contents, limits=limits)
    if data.content_type == signed_data.TST_INFO and data.content:
        return hash_name(signed_data.parse_timestamp_info(data.content).hash_algorithm)
    return hash_name(data.signers[0].digest_algorithm)


def dictionary_certificates(document: Document, dictionary: PdfDict) -> list[bytes]:
    """Give the certificates that a signature dictionary itself holds (ISO 32000-2, /Cert)."""
    value = document.latest.resolve(dictionary.get("Cert"))
    items = value if isinstance(value, list) else [value]
    resolved = [document.latest.resolve(item) for item in items]
    return [item for item in resolved if isinstance(item, bytes)]


def check(document: Document, located: list[Located], digests: Digests) -> list[KeptSignature]:
    """Check each signature with the digests; raises SignatureBroken for the first that fails."""
    return [_check(document, each, digests) for each in located]


def _check(document: Document, located: Located, digests: Digests) -> KeptSignature:
    def digest(name: str) -> bytes:
        wanted = Wanted(name, located.ranges)
        known = digests.get(wanted)
        return known or digest_ranges(document.buffer, located.ranges, name)

    covered = Covered(
        digest=digest, everything=lambda: covered_bytes(document.buffer, located.ranges)
    )
    if located.sub_filter == cms_check.RAW_RSA:
        carried = dictionary_certificates(document, located.found.dictionary)
        facts = cms_check.check_raw_rsa(located.contents, carried, covered=covered)
    else:
        facts = cms_check.check_cms(
            located.contents,
            sub_filter=located.sub_filter,
            covered=covered,
            limits=document.limits,
        )
    if facts.signer is None or not facts.digest_match or not facts.signature_match:
        raise SignatureBroken(located.name)
    return KeptSignature(
        field=located.name,
        end=located.end,
        is_timestamp=located.sub_filter == cms_check.TIMESTAMP,
        facts=facts,
        tokens=_tokens(facts, document.limits),
        size=der.parse(located.contents).end,
    )


def _tokens(facts: CmsFacts, limits: Limits) -> list[CmsFacts]:
    """Check the time-stamps over the signature value; those that prove nothing are left out."""
    checked = [
        check_stamp(token, digest=lambda name: digest_of(name, facts.signature), limits=limits)
        for token in facts.timestamp_tokens[: limits.signatures]
    ]
    return [each for each in checked if each is not None]


def check_stamp(
    token: bytes, *, digest: Callable[[str], bytes], limits: Limits = DEFAULT_LIMITS
) -> CmsFacts | None:
    """Check a time-stamp token over something with this digest; None when it proves nothing."""
    imprinted = Covered(digest=digest, everything=lambda: b"")
    facts = cms_check.check_token(token, imprinted=imprinted, limits=limits)
    proves = facts.digest_match and facts.signature_match and facts.token_time is not None
    return facts if proves and facts.signer is not None else None


def proven_since(signature: KeptSignature, all_: Iterable[KeptSignature]) -> datetime | None:
    """Give the earliest time at which a time-stamp saw the signature; None without one."""
    own = [token.token_time for token in signature.tokens]
    later = [
        each.facts.token_time
        for each in all_
        if each.is_timestamp and each is not signature and each.end > signature.end
    ]
    return min((time for time in (*own, *later) if time is not None), default=None)
