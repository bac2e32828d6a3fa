"""The network as a source of revocation data: asked only where somebody puts it into the list.

And then only through `ca.guarded_fetch`. No database is needed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ca.guarded_fetch import FetchRefused
from ca.issuer_addresses import Addresses, cache_key, evidence_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ca.guarded_fetch import Fetcher
    from ca.revocation import RevocationEvidence, RevocationFact, RevocationQuery


class Keeps(Protocol):
    """Keeps what was fetched."""

    def store(self, key: str, data: bytes, *, at: datetime) -> None:
        """Keep data under a key."""


class HttpSource:
    """The issuer's own OCSP and CRL addresses, as the certificate names them."""

    name = "network"
    authoritative = False

    def __init__(self, fetcher: Fetcher, *, cache: Keeps | None = None) -> None:
        self._fetcher = fetcher
        self._cache = cache

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Ask OCSP first, then fetch CRLs; what cannot be had is passed over."""
        addresses = Addresses.of(query)
        for url in addresses.ocsp:
            yield from self._try(query, url, request=addresses.request)
        for url in addresses.crls:
            yield from self._try(query, url, request=None)

    def _try(
        self, query: RevocationQuery, url: str, *, request: bytes | None
    ) -> Iterator[RevocationEvidence]:
        try:
            if request is None:
                data = self._fetcher.get(url, seconds=query.seconds)
            else:
                data = self._fetcher.post(
                    url, request, "application/ocsp-request", seconds=query.seconds
                )
        except FetchRefused:
            return
        if self._cache is not None:
            key = cache_key(url, request)
            self._cache.store(key, data, at=query.at)
        yield evidence_of(data, is_crl=request is None)
