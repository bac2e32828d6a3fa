"""Validation evidence for a PC without server and database: anchors from files, issuers asked.

Only addresses in certificates below an anchor that the user trusts are asked.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from cryptography import x509

from ca import anchor_files
from ca.evidence import EvidenceCollector
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.http_source import HttpSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_EVERYWHERE: Final = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def collector(trusted: Sequence[Path] | None, chain: Iterable[bytes] = ()) -> EvidenceCollector:
    """Make the collector for the trusted files and the roots of one's own chain (DER)."""
    anchors = anchor_files.load_pem_anchors(trusted) if trusted else []
    anchors += [der for der in chain if _is_root(der)]
    source = HttpSource(Fetcher(FetchLimits(allowed=_EVERYWHERE)))
    return EvidenceCollector(anchors, lambda _: (source,), intermediates=chain)


def _is_root(der: bytes) -> bool:
    certificate = x509.load_der_x509_certificate(der)
    return certificate.subject == certificate.issuer
