"""Status at once, from any process: pre-signed OCSP answers, and live ones where they must be.

The answer of a certificate is signed and stored in the transaction that changes its status. When
asked, one query reads the certificate's status *and* the stored answer; the stored one is given
only while it agrees with the status and has not run out. So a committed revocation shows in the
next answer of every process, whatever the worker does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from ca import ocsp_messages as messages
from ca.authority_signers import signer
from ca.der import DerError
from ca.errors import AuthorityNotFound, AuthorityUnavailable
from ca.models import (
    Authority,
    AuthorityRole,
    Certificate,
    CertificateStatus,
    OcspAnswer,
    RevocationReason,
)
from ca.ocsp_messages import CertificateId, OcspRequest, SingleAnswer, request_from_path
from db.base import Base

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from hsm.providers import KeyStore

__all__ = [
    "ANSWER_LIFETIME",
    "RENEW_BEFORE",
    "OcspService",
    "answer",
    "presign",
    "request_from_path",
]

ANSWER_LIFETIME: Final = timedelta(hours=12)
"""How long relying parties may keep an answer."""
RENEW_BEFORE: Final = timedelta(hours=6)
"""The worker renews answers this long before their nextUpdate."""
_RELOAD_AFTER: Final = timedelta(seconds=30)
"""Between two looks for new authorities, so that strangers' requests cannot cause many."""
_ANSWERED: Final = frozenset(
    {CertificateStatus.ACTIVE, CertificateStatus.SUSPENDED, CertificateStatus.REVOKED}
)


@dataclass(frozen=True, slots=True)
class _Status:
    """What decides the answer for one certificate."""

    status: CertificateStatus
    changed_at: datetime | None
    reason: RevocationReason | None

    def encoded(self) -> bytes:
        if self.status not in _ANSWERED:
            return messages.UNKNOWN
        if self.changed_at is None:
            return messages.GOOD
        return messages.revoked(self.changed_at, self.reason)


@dataclass(frozen=True, slots=True)
class _Issuer:
    """A CA of ours with the responder that speaks for it."""

    authority_id: uuid.UUID
    certificate: x509.Certificate
    responder: messages.Responder
    authority_serials: frozenset[int]
    """Certificates of our own OCSP, TSA and issuing authorities, which this CA signed."""


class OcspService:
    """Answers for all our CAs; holds opened keys, so keep one for the life of a process.

    Threads may share one: its table of issuers is replaced as a whole, never changed.
    """

    def __init__(self, keys: KeyStore, *, lifetime: timedelta = ANSWER_LIFETIME) -> None:
        self._keys = keys
        self._lifetime = lifetime
        self._issuers: dict[tuple[str, bytes, bytes], _Issuer] = {}
        self._loaded_at: datetime | None = None

    def answer(self, session: Session, request: bytes, *, at: datetime) -> bytes:
        """Answer an OCSPRequest with an OCSPResponse, whatever the bytes; never raises for them.

        malformedRequest for bytes that are none, unauthorized for certificates that are not ours
        or requests that mix issuers, tryLater when the responder's key cannot be used.
        """
        try:
            asked = messages.parse_request(request)
        except DerError:
            return messages.MALFORMED_REQUEST
        try:
            issuer = self._issuer_of(session, asked, at)
            if issuer is None:
                return messages.UNAUTHORIZED
            return self._answer(session, asked, issuer, at)
        except (AuthorityUnavailable, AuthorityNotFound):
            return messages.TRY_LATER

    def presign(self, session: Session, certificate: Certificate, *, at: datetime) -> None:
        """Sign and store the answer for one certificate, in the caller's transaction."""
        session.flush()
        _store(session, self._signed_answer(session, certificate.id, at))

    def _signed_answer(
        self, session: Session, certificate_id: uuid.UUID, at: datetime
    ) -> dict[str, object]:
        # The lock makes a renewal wait for a revocation that is under way, and then see it.
        columns = select(Certificate.authority_id, Certificate.serial_number, *_STATUS_COLUMNS)
        locked = columns.where(Certificate.id == certificate_id).with_for_update(key_share=True)
        row = session.execute(locked).one()
        issuer = self._issuer_with_id(session, row.authority_id, at)
        this_update = at.replace(microsecond=0)
        identifier = messages.certificate_id(issuer.certificate, int(row.serial_number, 16))
        single = SingleAnswer(
            identifier.encoded, _status(row).encoded(), this_update, this_update + self._lifetime
        )
        return {
            "certificate_id": certificate_id,
            "authority_id": row.authority_id,
            "serial_number": row.serial_number,
            "this_update": single.this_update,
            "next_update": single.next_update,
            "der": issuer.responder.answer([single], produced_at=this_update),
        }

    def _answer(self, session: Session, asked: OcspRequest, issuer: _Issuer, at: datetime) -> bytes:
        this_update = at.replace(microsecond=0)
        singles = []
        for wanted in asked.certificates:
            status, stored = self._look_up(session, issuer, wanted)
            if stored is not None and _is_enough(asked, wanted, status, stored, at):
                return bytes(stored.der)
            singles.append(
                SingleAnswer(
                    wanted.encoded, status.encoded(), this_update, this_update + self._lifetime
                )
            )
        return issuer.responder.answer(singles, produced_at=this_update, nonce=asked.nonce)

    @staticmethod
    def _look_up(
        session: Session, issuer: _Issuer, wanted: CertificateId
    ) -> tuple[_Status, _Stored | None]:
        if wanted.serial in issuer.authority_serials:
            return _Status(CertificateStatus.ACTIVE, None, None), None
        if wanted.serial < 0:
            return _NEVER_ISSUED, None
        asked = {"authority_id": issuer.authority_id, "serial_number": f"{wanted.serial:040x}"}
        row = session.connection().execute(_LOOK_UP, asked).one_or_none()
        if row is None:
            return _NEVER_ISSUED, None
        if row.der is None:
            return _status(row), None
        return _status(row), _Stored(row.this_update, row.next_update, row.der)

    def _issuer_of(self, session: Session, asked: OcspRequest, at: datetime) -> _Issuer | None:
        wanted = {certificate.issuer for certificate in asked.certificates}
        if not wanted <= self._issuers.keys() and self._may_reload(at):
            self._load(session, at)
        found = {self._issuers[name].authority_id for name in wanted & self._issuers.keys()}
        if len(found) != 1 or not wanted <= self._issuers.keys():
            return None
        return self._issuers[next(iter(wanted))]

    def _issuer_with_id(self, session: Session, authority_id: uuid.UUID, at: datetime) -> _Issuer:
        for _ in range(2):
            for issuer in self._issuers.values():
                if issuer.authority_id == authority_id:
                    return issuer
            self._load(session, at)
        raise AuthorityNotFound(f"no OCSP responder for the authority {authority_id}")

    def _may_reload(self, at: datetime) -> bool:
        return self._loaded_at is None or abs(at - self._loaded_at) >= _RELOAD_AFTER

    def _load(self, session: Session, at: datetime) -> None:
        rows = session.scalars(select(Authority).order_by(Authority.created_at)).all()
        issuers: dict[tuple[str, bytes, bytes], _Issuer] = {}
        for responder in rows:
            if responder.role is AuthorityRole.OCSP and _is_current(responder, at):
                issuer = self._open(responder, rows)
                for digest in ("sha1", "sha256", "sha384", "sha512"):
                    hashes = messages.issuer_hashes(issuer.certificate, digest=digest)
                    issuers[digest, *hashes] = issuer
        self._issuers = issuers
        self._loaded_at = at

    def _open(self, responder: Authority, rows: Sequence[Authority]) -> _Issuer:
        above = next(row for row in rows if row.id == responder.issuer_id)
        certificate = x509.load_der_x509_certificate(above.certificate)
        serials = frozenset(
            x509.load_der_x509_certificate(row.certificate).serial_number
            for row in rows
            if row.issuer_id == above.id
        )
        opened = messages.Responder(signer(responder, keys=self._keys), certificate)
        return _Issuer(above.id, certificate, opened, serials)


@dataclass(frozen=True, slots=True)
class _Stored:
    this_update: datetime
    next_update: datetime
    der: bytes


_NEVER_ISSUED: Final = _Status(CertificateStatus.ABANDONED, None, None)
_STATUS_COLUMNS: Final = (
    Certificate.status,
    Certificate.revoked_at,
    Certificate.suspended_at,
    Certificate.revocation_reason,
)


_certificates = Base.metadata.tables[Certificate.__tablename__]
_answers = Base.metadata.tables[OcspAnswer.__tablename__]
_LOOK_UP: Final = (
    select(
        *(_certificates.c[column.key] for column in _STATUS_COLUMNS),
        _answers.c.this_update,
        _answers.c.next_update,
        _answers.c.der,
    )
    .outerjoin(_answers, _answers.c.certificate_id == _certificates.c.id)
    .where(
        _certificates.c.authority_id == bindparam("authority_id"),
        _certificates.c.serial_number == bindparam("serial_number"),
    )
)
"""Built once and on the tables themselves: an answer costs little more than this query."""


def _is_current(authority: Authority, at: datetime) -> bool:
    return authority.not_before <= at < authority.not_after


def _status(row: Row[*tuple[Any, ...]]) -> _Status:
    """Read the status off a row that has `_STATUS_COLUMNS`."""
    if row.status is CertificateStatus.SUSPENDED:
        return _Status(row.status, row.suspended_at, RevocationReason.CERTIFICATE_HOLD)
    return _Status(row.status, row.revoked_at, row.revocation_reason)


def _is_enough(
    asked: OcspRequest, wanted: CertificateId, status: _Status, stored: _Stored, at: datetime
) -> bool:
    """Say whether the stored answer is the answer to this request now.

    It names the certificate by SHA-1 and says one status; that it says the present one is read off
    its bytes, not off the times of two clocks.
    """
    return (
        asked.nonce is None
        and len(asked.certificates) == 1
        and stored.this_update <= at < stored.next_update
        and wanted.encoded + status.encoded() in stored.der
    )


def _store(session: Session, values: dict[str, object]) -> None:
    statement = insert(OcspAnswer).values(**values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[OcspAnswer.certificate_id],
            set_={name: statement.excluded[name] for name in values if name != "certificate_id"},
        )
    )


def presign(session: Session, *, certificate: Certificate, keys: KeyStore, at: datetime) -> None:
    """Sign and store the OCSP answer for a certificate's present status.

    Called in the transaction that changes the status, after the change; AuthorityUnavailable when
    the responder's key cannot be used, and then the change must not be committed either.
    """
    OcspService(keys).presign(session, certificate, at=at)


def answer(session: Session, request: bytes, *, keys: KeyStore, at: datetime) -> bytes:
    """Answer one request; who answers many keeps an `OcspService`."""
    return OcspService(keys).answer(session, request, at=at)
