"""From a trusted list to anchors with terms: which statuses mean trust, and for what.

Statuses and service types are those of ETSI TS 119 612 clause 5.5 and annex D. What the list calls
good counts from its start until the next status, and at the latest until the list's next update:
an old list says nothing of today.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ca.anchor_terms import AnchorTerms, TrustTerm
from ca.parsed_certificates import CertificateUnreadable, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from ca.trusted_list import ListedService, StatusPeriod

GOOD: Final = frozenset(
    {
        "granted",
        "recognisedatnationallevel",
        "undersupervision",
        "supervisionincessation",
        "accredited",
    }
)
"""The last three are of lists before 2016, and stand in the history of today's."""
SIGNING: Final = frozenset({"CA/QC", "CA/PKC", "NationalRootCA-QC"})
TIMESTAMPING: Final = frozenset(
    {
        "TSA",
        "TSA/QTST",
        "TSA/TSS-QC",
        "TSA/TSS-AdESQCandQES",
        "CA/PKC",
        "NationalRootCA-QC",
    }
)
"""An authority that is not listed itself may have its certificate from one of the last two."""


def terms_of(service: ListedService, *, end: datetime) -> AnchorTerms:
    """Give the periods in which a service is trusted; `end` is when the list ceases to speak."""
    periods = list(_periods(service.periods, end))
    return AnchorTerms(
        tuple(term for kind, term in periods if kind in SIGNING),
        tuple(term for kind, term in periods if kind in TIMESTAMPING),
    )


def _periods(
    newest_first: tuple[StatusPeriod, ...], end: datetime
) -> Iterator[tuple[str, TrustTerm]]:
    oldest_first = newest_first[::-1]
    ends = [after.since for _, after in pairwise(oldest_first)]
    for period, until in zip(oldest_first, [*ends, end], strict=True):
        last = min(until, end)
        if period.status in GOOD and period.since < last:
            yield period.kind, TrustTerm(period.since, last)


def anchors_of(
    services: Iterable[ListedService], *, end: datetime
) -> Mapping[bytes, tuple[bytes, AnchorTerms]]:
    """Give anchors by fingerprint: DER and terms; certificates that cannot be read are left out."""
    found: dict[bytes, tuple[bytes, AnchorTerms]] = {}
    for service in services:
        terms = terms_of(service, end=end)
        if not terms.signing and not terms.timestamping:
            continue
        for encoded in service.certificates:
            try:
                mark = parse(encoded).fingerprint
            except CertificateUnreadable:
                continue
            known = found.get(mark)
            found[mark] = (encoded, terms if known is None else known[1].joined(terms))
    return found
