"""Who knows whether a certificate is revoked: our registry, the document, the cache, the issuer.

The network is asked only by `HttpSource`, which nobody has unless it is put into the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, Text, literal_column, select
from sqlalchemy.dialects.postgresql import insert

from ca import crl_checks, ocsp_checks
from ca.http_source import HttpSource
from ca.issuer_addresses import CRL_KEY, Addresses, evidence_of
from ca.loaded_crls import KEPT, KEPT_BYTES
from ca.models_trust import CachedRevocationData
from ca.parsed_certificates import UNREADABLE
from ca.registered_status import RegistrySource
from ca.revocation import (
    EmbeddedSource,
    RevocationEvidence,
    RevocationFact,
    RevocationQuery,
)
from ca.serial_index import index_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from ca.serial_index import SerialIndexes

__all__ = ["CacheSource", "EmbeddedSource", "HttpSource", "RegistrySource"]


class CacheSource:
    """CRLs and OCSP answers fetched earlier, by this process or another.

    With `indexes` a large CRL is indexed when it is stored, and every process that takes it from
    here finds serial numbers by that.
    """

    name = "cache"
    authoritative = False

    def __init__(
        self, sessions: sessionmaker[Session], *, indexes: SerialIndexes | None = None
    ) -> None:
        self._sessions = sessions
        self._indexes = indexes
        self._lists: dict[str, tuple[str, bytes]] = {}

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give what is stored under the certificate's own addresses; freshness is checked later."""
        addresses = Addresses.of(query)
        with self._sessions() as session:
            for key, is_crl in addresses.cache_keys():
                data = self._list(session, key) if is_crl else _stored(session, key)[1]
                if data is not None:
                    yield evidence_of(data, is_crl=is_crl)

    def _list(self, session: Session, key: str) -> bytes | None:
        """Give a stored CRL; megabytes that are here already are not asked for again."""
        version = session.scalar(select(_VERSION).where(CachedRevocationData.key == key))
        known = self._lists.get(key)
        if known is not None and known[0] == version:
            return known[1]
        version, data = _stored(session, key)
        if data is not None and version is not None:
            if sum(len(one) for _, one in tuple(self._lists.values())) > KEPT_BYTES:
                self._lists.clear()
            self._lists[key] = (version, data)
            if self._indexes is not None:
                KEPT.load(data, indexes=self._indexes)
        return data

    def store(self, key: str, data: bytes, *, at: datetime) -> None:
        """Keep fetched data in a transaction of its own: it belongs to no other change.

        What is neither a CRL nor an OCSP answer is not kept.
        """
        known, next_update = self._read(data, is_crl=key.startswith(CRL_KEY))
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

    def _read(self, data: bytes, *, is_crl: bool) -> tuple[bool, datetime | None]:
        """Say whether the data can be read, and when it ends."""
        if not is_crl:
            return ocsp_checks.next_update(data)
        loaded = crl_checks.load(data)
        if loaded is None:
            return False, None
        if loaded.frame is not None:
            try:
                index = index_of(data, loaded.frame)
            except UNREADABLE:
                return False, None
            if self._indexes is not None:
                self._indexes.write(data, index)
        return True, loaded.crl.next_update_utc


_VERSION: Final[ColumnElement[str]] = literal_column("xmin::text", Text())
"""The transaction that wrote a row: `fetched_at` is the time that was asked about, and two lists
may have been fetched for one."""


def _stored(session: Session, key: str) -> tuple[str | None, bytes | None]:
    found = session.execute(
        select(_VERSION, CachedRevocationData.der).where(CachedRevocationData.key == key)
    ).one_or_none()
    return (None, None) if found is None else (found[0], bytes(found[1]))
