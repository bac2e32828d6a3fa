"""From single signatures to all of one file: which times are proven for which, and what follows.

A document time-stamp, or an archive time-stamp inside a CMS, proves that everything it is over
existed, a signature time-stamp that its signature did; the latest is judged first, because it
carries the ones before it (EN 319 102-1 5.6). A time-stamp that a signature
covers, in its content or in an earlier revision, proves that the signature is not older. Only
time-stamps that passed prove anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from pdf import cms_check
from pdf.cms_check import CmsFacts, Covered
from pdf.conclusions import Conclusion, conclude
from pdf.examined import Examined
from pdf.known import Evidence, Times
from pdf.limits import Limits
from pdf.report import Indication
from pdf.security_store import SecurityStore
from pdf.signature_math import digest_of
from pdf.sub_indications import SubIndication

CLOCKS_DIFFER = timedelta(minutes=1)
"""How far the clocks of two time-stamp authorities may be apart; they promise about a second."""


def all_certificates(examined: Sequence[Examined], store: SecurityStore) -> tuple[bytes, ...]:
    """Give every certificate that the file brings along, each once."""
    found: dict[bytes, None] = {}
    for item in examined:
        found.update(dict.fromkeys(item.facts.certificates))
        for facts, _ in item.tokens:
            found.update(dict.fromkeys(facts.certificates))
    found.update(dict.fromkeys(store.certificates))
    return tuple(found)


def conclude_all(examined: Sequence[Examined], evidence: Evidence, limits: Limits) -> None:
    """Judge all: document time-stamps first, the latest before those that it carries."""
    latest_first = sorted(examined, key=lambda one: (not one.is_timestamp, -one.byte_range.end))
    for item in latest_first:
        _conclude(item, examined, evidence, limits)


@dataclass
class _Proofs:
    """Trusted moments around one signature, in the order in which they must have come about."""

    before: list[datetime]
    tokens: list[datetime]
    after: list[datetime]
    """Of document time-stamps, in the order of their revisions."""

    def in_order(self) -> bool:
        """Say whether no time-stamp is older than one that it carries."""
        stages = [self.before, self.tokens, *([one] for one in self.after)]
        held = [stage for stage in stages if stage]
        return all(max(before) <= min(after) + CLOCKS_DIFFER for before, after in pairwise(held))


def _conclude(
    item: Examined, examined: Sequence[Examined], evidence: Evidence, limits: Limits
) -> None:
    following = sorted(
        (one for one in _trusted(examined, item) if one.follows(item)),
        key=lambda one: one.byte_range.end,
    )
    proofs = _Proofs([], [], _times(following))
    for token in item.facts.timestamp_tokens[: limits.signatures]:
        known = min(_times(one for one in following if one.proves(token)), default=None)
        verdict = _token(token, _over(item.facts.signature), known, evidence, limits)
        item.tokens.append(verdict)
        proofs.tokens += _passed(verdict)
    proven = [(time, "document_timestamp") for time in proofs.after]
    proven += [(time, "signature_timestamp") for time in proofs.tokens]
    if proven:
        item.proven, item.proven_by = min(proven)
    if not item.is_timestamp:
        proofs.before = _covered_times(item, examined, evidence, limits)
    times = Times(proven=item.proven, earliest=max(proofs.before, default=None))
    item.conclusion = conclude(
        item.facts,
        purpose="timestamping" if item.is_timestamp else "signing",
        problems=item.problems,
        times=times,
        evidence=evidence,
    )
    if item.conclusion.indication is not Indication.TOTAL_FAILED and not proofs.in_order():
        item.conclusion.codes.append("TIMESTAMPS_OUT_OF_ORDER")
        item.conclusion.ending(SubIndication.TIMESTAMP_ORDER_FAILURE)


def _covered_times(
    item: Examined, examined: Sequence[Examined], evidence: Evidence, limits: Limits
) -> list[datetime]:
    """Give the trusted times of time-stamps that the signature covers."""
    earlier = [one for one in _trusted(examined, item) if item.follows(one) and item.intact]
    found = _times(earlier)
    covered = item.facts.covered
    if covered is None or not item.intact:
        return found
    for token in item.facts.content_timestamps[: limits.signatures]:
        found += _passed(_token(token, covered, item.proven, evidence, limits))
    return found


def _token(
    token: bytes, imprinted: Covered, known: datetime | None, evidence: Evidence, limits: Limits
) -> tuple[CmsFacts, Conclusion]:
    facts = cms_check.check_token(token, imprinted=imprinted, limits=limits)
    times = Times(proven=known)
    return facts, conclude(
        facts, purpose="timestamping", problems=(), times=times, evidence=evidence
    )


def _passed(judged: tuple[CmsFacts, Conclusion]) -> list[datetime]:
    facts, verdict = judged
    if verdict.indication is Indication.TOTAL_PASSED and facts.token_time is not None:
        return [facts.token_time]
    return []


def _trusted(examined: Iterable[Examined], item: Examined) -> list[Examined]:
    """List the other document time-stamps that passed."""
    return [
        other
        for other in examined
        if other is not item
        and other.is_timestamp
        and other.conclusion is not None
        and other.conclusion.indication is Indication.TOTAL_PASSED
    ]


def _times(stamps: Iterable[Examined]) -> list[datetime]:
    return [one.facts.token_time for one in stamps if one.facts.token_time is not None]


def _over(data: bytes) -> Covered:
    return Covered(digest=lambda name: digest_of(name, data), everything=lambda: data)
