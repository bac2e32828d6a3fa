"""From single signatures to all of one file: which time is proven for which, and what follows.

A document time-stamp proves the time of everything before it, a signature time-stamp that of its
signature; the latest is judged first, because it carries the ones before it (EN 319 102-1 5.6).
"""

from collections.abc import Sequence

from pdf import cms_check
from pdf.cms_check import Covered
from pdf.conclusions import Evidence, conclude
from pdf.examined import Examined
from pdf.limits import Limits
from pdf.report import Indication
from pdf.security_store import SecurityStore
from pdf.signature_math import digest_of


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
    """Judge the latest document time-stamp first: it carries the ones before it."""
    for item in sorted(examined, key=lambda one: -one.byte_range.end):
        _best_time(item, examined, evidence, limits)
        item.conclusion = conclude(
            item.facts,
            purpose="timestamping" if item.is_timestamp else "signing",
            problems=item.problems,
            proven=item.proven,
            evidence=evidence,
        )


def _best_time(
    item: Examined, examined: Sequence[Examined], evidence: Evidence, limits: Limits
) -> None:
    candidates = [
        (later.facts.token_time, "document_timestamp")
        for later in examined
        if later is not item
        and later.is_timestamp
        and later.conclusion is not None
        and later.conclusion.indication is Indication.TOTAL_PASSED
        and later.facts.token_time is not None
        and later.byte_range.end > item.byte_range.end
    ]
    known = min((time for time, _ in candidates), default=None)
    for token in item.facts.timestamp_tokens[: limits.signatures]:
        facts = cms_check.check_token(token, imprinted=_over(item.facts.signature), limits=limits)
        verdict = conclude(
            facts, purpose="timestamping", problems=(), proven=known, evidence=evidence
        )
        item.tokens.append((facts, verdict))
        if verdict.indication is Indication.TOTAL_PASSED and facts.token_time is not None:
            candidates.append((facts.token_time, "signature_timestamp"))
    if candidates:
        item.proven, item.proven_by = min(candidates)


def _over(data: bytes) -> Covered:
    return Covered(digest=lambda name: digest_of(name, data), everything=lambda: data)
