"""Validation evidence for a PC without server and database: anchors from files, issuers asked.

Only addresses in certificates below an anchor that the user trusts are asked.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ca import anchor_files
from ca.evidence import EvidenceCollector
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.http_source import HttpSource
from ca.parsed_certificates import parse

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
    return parse(der).self_issued
