"""Who knows whether a certificate is revoked: our registry, the document, the cache, the issuer.

The network is asked only by `HttpSource`, which nobody has unless it is put into the list; and
then only through `ca.guarded_fetch`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from ca import crl_checks, der, ocsp_checks, ocsp_messages
from ca.guarded_fetch import Fetcher, FetchRefused
from ca.loaded_crls import KEPT_BYTES
from ca.models import CachedRevocationData
from ca.registered_status import RegistrySource
from ca.revocation import (
    EmbeddedSource,
    RevocationEvidence,
    RevocationFact,
    RevocationQuery,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

__all__ = ["CacheSource", "EmbeddedSource", "HttpSource", "RegistrySource"]

MAX_ADDRESSES: Final = 3
"""Of each kind, taken from one certificate."""
_CRL_KEY: Final = "crl:"


class CacheSource:
    """CRLs and OCSP answers fetched earlier, by this process or another."""

    name = "cache"
    authoritative = False

    def __init__(self, sessions: sessionmaker[Session]) -> None:
        self._sessions = sessions
        self._lists: dict[str, tuple[datetime, bytes]] = {}

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give what is stored under the certificate's own addresses; freshness is checked later."""
        addresses = _Addresses.of(query)
        with self._sessions() as session:
            for key, is_crl in addresses.cache_keys():
                data = self._list(session, key) if is_crl else _stored(session, key)[1]
                if data is not None:
                    yield _evidence(data, is_crl=is_crl)

    def _list(self, session: Session, key: str) -> bytes | None:
        """Give a stored CRL; megabytes that are here already are not asked for again."""
        fetched_at = session.scalar(
            select(CachedRevocationData.fetched_at).where(CachedRevocationData.key == key)
        )
        known = self._lists.get(key)
        if known is not None and known[0] == fetched_at:
            return known[1]
        fetched_at, data = _stored(session, key)
        if data is not None and fetched_at is not None:
            if sum(len(one) for _, one in tuple(self._lists.values())) > KEPT_BYTES:
                self._lists.clear()
            self._lists[key] = (fetched_at, data)
        return data

    def store(self, key: str, data: bytes, *, at: datetime) -> None:
        """Keep fetched data in a transaction of its own: it belongs to no other change.

        What is neither a CRL nor an OCSP answer is not kept.
        """
        known, next_update = _next_update(data, is_crl=key.startswith(_CRL_KEY))
        if not known:
            return
        values = {"key": key, "fetched_at": at, "next_update": next_update, "der": data}
        statement = insert(CachedRevocationData).values(**values)
        with self._sessions.begin() as session:
            session.execute(
                statement.on_conflict_do_update(
                    index_elements=[CachedRevocationData.key],
                    set_={name: statement.excluded[name] for name in values if name != "key"},
                )
            )


class HttpSource:
    """The issuer's own OCSP and CRL addresses, as the certificate names them."""

    name = "network"
    authoritative = False

    def __init__(self, fetcher: Fetcher, *, cache: CacheSource | None = None) -> None:
        self._fetcher = fetcher
        self._cache = cache

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Ask OCSP first, then fetch CRLs; what cannot be had is passed over."""
        addresses = _Addresses.of(query)
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
            key = _cache_key(url, request)
            self._cache.store(key, data, at=query.at)
        yield _evidence(data, is_crl=request is None)


def _stored(session: Session, key: str) -> tuple[datetime | None, bytes | None]:
    found = session.execute(
        select(CachedRevocationData.fetched_at, CachedRevocationData.der).where(
            CachedRevocationData.key == key
        )
    ).one_or_none()
    return (None, None) if found is None else (found[0], bytes(found[1]))


@dataclass(frozen=True, slots=True)
class _Addresses:
    ocsp: tuple[str, ...]
    crls: tuple[str, ...]
    request: bytes

    @classmethod
    def of(cls, query: RevocationQuery) -> _Addresses:
        certificate = query.certificate
        identifier = ocsp_messages.certificate_id(
            query.issuer.certificate, certificate.serial_number
        )
        request = der.sequence(der.sequence(der.sequence(der.sequence(identifier.encoded))))
        information = certificate.extension(x509.AuthorityInformationAccess)
        ocsp = [
            access.access_location.value
            for access in information or ()
            if access.access_method == AuthorityInformationAccessOID.OCSP
            and isinstance(access.access_location, x509.UniformResourceIdentifier)
        ]
        points = certificate.extension(x509.CRLDistributionPoints)
        crls = [
            name.value
            for point in points or ()
            for name in point.full_name or ()
            if isinstance(name, x509.UniformResourceIdentifier)
        ]
        return cls(tuple(ocsp[:MAX_ADDRESSES]), tuple(crls[:MAX_ADDRESSES]), request)

    def cache_keys(self) -> Iterator[tuple[str, bool]]:
        for url in self.ocsp:
            yield _cache_key(url, self.request), False
        for url in self.crls:
            yield _cache_key(url, None), True


def _cache_key(url: str, request: bytes | None) -> str:
    if request is None:
        return f"{_CRL_KEY}{url}"
    return f"ocsp:{url}#{hashlib.sha256(request).hexdigest()}"


def _next_update(data: bytes, *, is_crl: bool) -> tuple[bool, datetime | None]:
    """Say whether the data can be read, and when it ends."""
    if is_crl:
        loaded = crl_checks.load(data)
        return loaded is not None, loaded.crl.next_update_utc if loaded else None
    return ocsp_checks.next_update(data)


def _evidence(data: bytes, *, is_crl: bool) -> RevocationEvidence:
    return RevocationEvidence(crls=(data,)) if is_crl else RevocationEvidence((), (data,))
