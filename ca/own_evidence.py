"""Evidence about certificates of our own authorities: OCSP answers made here, else current CRLs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ca import crl, der, ocsp_messages
from ca.errors import CrlUnavailable, RevocationDataUnavailable
from ca.models import Authority
from ca.revocation import RevocationEvidence, RevocationFact, RevocationQuery

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from sqlalchemy.orm import Session, sessionmaker

    from ca.ocsp import OcspService
    from ca.parsed_certificates import ParsedCertificate

AUTHORITY_ANSWERS_KEPT: Final = timedelta(hours=1)
"""An answer about one of our own authorities is signed once in this time, not per document."""


@dataclass(eq=False, slots=True)
class OwnEvidence:
    """Gives what our own OCSP responders and CRLs say; keep one for the life of a process."""

    sessions: sessionmaker[Session]
    ocsp: OcspService
    _issuers: dict[bytes, uuid.UUID] = field(default_factory=dict)
    _kept: dict[bytes, tuple[datetime, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def asked_at(self, present: datetime) -> PresentEvidence:
        """Give the source that speaks for this moment."""
        return PresentEvidence(self, present)

    def answer(self, query: RevocationQuery, present: datetime) -> bytes | None:
        """Give the OCSP answer about a certificate; None when its issuer is none of ours."""
        identifier = ocsp_messages.certificate_id(
            query.issuer.certificate, query.certificate.serial_number
        ).encoded
        kept = self._kept.get(identifier)
        if kept is not None and kept[0] <= present < kept[0] + AUTHORITY_ANSWERS_KEPT:
            return kept[1]
        request = der.sequence(der.sequence(der.sequence(der.sequence(identifier))))
        with self._session() as session:
            if self._issuer(session, query) is None:
                return None
            answer = self.ocsp.answer(session, request, at=present)
        if _is_authority(query.certificate):
            with self._lock:
                self._kept = {identifier: (present, answer), **dict(list(self._kept.items())[:64])}
        return answer

    def newest_crl(self, query: RevocationQuery) -> bytes | None:
        """Give the newest CRL of the certificate's issuer, if it is one of ours."""
        with self._session() as session:
            issuer_id = self._issuer(session, query)
            authority = session.get(Authority, issuer_id) if issuer_id is not None else None
            if authority is None:
                return None
            try:
                return crl.latest(session, authority).der
            except CrlUnavailable:
                return None

    def _issuer(self, session: Session, query: RevocationQuery) -> uuid.UUID | None:
        encoded = query.issuer.der
        if encoded not in self._issuers:
            found = session.scalar(select(Authority.id).where(Authority.certificate == encoded))
            if found is None:
                return None
            self._issuers = {**self._issuers, encoded: found}
        return self._issuers[encoded]

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with self.sessions() as session:
                yield session
        except SQLAlchemyError as error:
            raise RevocationDataUnavailable("the registry cannot be read") from error


def _is_authority(certificate: ParsedCertificate) -> bool:
    """Say whether it is a CA or a time-stamp authority: their status changes once in years."""
    constraints = certificate.extension(x509.BasicConstraints)
    usage = certificate.extension(x509.ExtendedKeyUsage)
    stamps = usage is not None and ExtendedKeyUsageOID.TIME_STAMPING in usage
    return stamps or (constraints is not None and constraints.ca)


@dataclass(frozen=True, slots=True)
class PresentEvidence:
    """`OwnEvidence` at one moment, as a source for validation."""

    own: OwnEvidence
    present: datetime
    name: str = "own"
    authoritative: bool = False

    def look_up(self, query: RevocationQuery) -> Iterator[RevocationFact | RevocationEvidence]:
        """Give what our authorities say now."""
        answer = self.own.answer(query, self.present)
        if answer is None:
            return
        yield RevocationEvidence((), (answer,))
        newest = self.own.newest_crl(query)
        if newest is not None:
            yield RevocationEvidence((newest,))
