"""Whether digest and key of a signature are strong enough for its time (EN 319 102-1 5.2.8).

What was strong enough once still counts for a signature that is proven to be that old. Below an
anchor that the rules name, SHA-1 counts between the dates given there.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import dsa, rsa

from pdf.cms_check import CmsFacts
from pdf.known import Times
from pdf.rules import Rules
from pdf.sub_indications import SubIndication
from pdf.validator import PathVerdict


@dataclass(frozen=True, kw_only=True)
class Strength:
    """The answer: nothing, or the sub-indication that the weakness leads to."""

    weakness: SubIndication | None = None
    legacy: bool = False
    """Whether SHA-1 was let through for the anchor's sake."""


@dataclass(frozen=True)
class _Never:
    """No moment at all."""


_NEVER = _Never()
_End = datetime | _Never | None


def strength(
    facts: CmsFacts, path: PathVerdict | None, times: Times, at: datetime, rules: Rules
) -> Strength:
    """Judge digest and key for the moment that is proven, or else for `at`."""
    moment = times.proven or at
    digest, key = _digest_end(facts, rules), _key_end(facts, rules)
    legacy = facts.digest_name == "sha1" and _is_legacy(path, moment, rules)
    ends = [end for end in (None if legacy else digest, key) if not _holds(end, moment)]
    if not ends:
        return Strength(legacy=legacy and not _holds(digest, moment))
    for end in ends:
        late = isinstance(end, datetime) and times.earliest is not None and times.earliest > end
        if late or isinstance(end, _Never):
            return Strength(weakness=SubIndication.CRYPTO_CONSTRAINTS_FAILURE)
    return Strength(weakness=SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE)


def _digest_end(facts: CmsFacts, rules: Rules) -> _End:
    if facts.digest_name is None:
        return None
    return rules.digests.get(facts.digest_name, _NEVER)


def _key_end(facts: CmsFacts, rules: Rules) -> _End:
    key = facts.signer.public_key if facts.signer else None
    if isinstance(key, dsa.DSAPublicKey):
        return None if key.key_size >= rules.dsa_bits else _NEVER
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    ends = [end for bits, end in rules.rsa_bits if key.key_size >= bits]
    dates = [end for end in ends if end is not None]
    if len(dates) < len(ends):
        return None
    return max(dates, default=_NEVER)


def _holds(end: _End, moment: datetime) -> bool:
    return end is None or (isinstance(end, datetime) and moment <= end)


def _is_legacy(path: PathVerdict | None, moment: datetime, rules: Rules) -> bool:
    if path is None or not path.trusted or not path.chain:
        return False
    anchor = sha256(path.chain[-1]).hexdigest()
    return any(
        one.fingerprint == anchor and one.since <= moment <= one.until
        for one in rules.legacy_anchors
    )
