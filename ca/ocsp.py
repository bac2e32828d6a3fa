"""Status at once, from any process: pre-signed OCSP answers, and live ones where they must be.

The answer of a certificate is signed and stored in the transaction that changes its status. When
asked, one query reads the certificate's status *and* the stored answer; the stored one is given
only while it agrees with the status and has not run out. So a committed revocation shows in the
next answer of every process, whatever the worker does. `ca.ocsp_cache` keeps answers in front of
this, under the same promise.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from ca import ocsp_messages as messages
from ca.der import DerError
from ca.errors import AuthorityNotFound, AuthorityUnavailable
from ca.models import Authority, Certificate, CertificateStatus
from ca.models_publication import OcspAnswer
from ca.ocsp_issuers import Issuer, Issuers
from ca.ocsp_messages import CertificateId, OcspRequest, SingleAnswer, request_from_path
from ca.revocation_reasons import RevocationReason
from db.base import Base
from hsm.errors import HsmError

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from hsm.providers import KeyStore

__all__ = [
    "ANSWER_LIFETIME",
    "RENEW_BEFORE",
    "Looked",
    "OcspService",
    "SignedAnswer",
    "answer",
    "presign",
    "request_from_path",
    "service_of",
]

ANSWER_LIFETIME: Final = timedelta(hours=12)
"""How long relying parties may keep an answer."""
RENEW_BEFORE: Final = timedelta(hours=6)
"""The worker renews answers this long before their nextUpdate."""


@dataclass(frozen=True, slots=True)
class Looked:
    """An answer, and what may be remembered of it; the three are None where nothing may be."""

    der: bytes
    serial_number: str | None = None
    status: bytes | None = None
    """CertStatus as DER."""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """An answer that was signed in advance, and how long it may be given."""

    this_update: datetime
    next_update: datetime
    der: bytes


@dataclass(frozen=True, slots=True)
class _Status:
    """What decides the answer for one certificate."""

    status: CertificateStatus
    changed_at: datetime | None = None
    reason: RevocationReason | None = None

    def encoded(self) -> bytes:
        if self.status is CertificateStatus.ABANDONED:
            return messages.NEVER_TO_BE_TRUSTED
        if self.status is CertificateStatus.ISSUING:
            return messages.UNKNOWN
        if self.changed_at is None:
            return messages.GOOD
        return messages.revoked(self.changed_at, self.reason)


class OcspService:
    """Answers for all our CAs; holds opened keys, so keep one for the life of a process.

    Threads may share one.
    """

    def __init__(self, keys: KeyStore, *, lifetime: timedelta = ANSWER_LIFETIME) -> None:
        self._lifetime = lifetime
        self.issuers = Issuers(keys)

    def answer(self, session: Session, request: bytes, *, at: datetime) -> bytes:
        """Answer an OCSPRequest with an OCSPResponse, whatever the bytes; never raises for them.

        malformedRequest for bytes that are none, unauthorized for certificates that are not ours
        or requests that mix issuers, tryLater when the responder's key cannot be used.
        """
        return self.look(session, request, at=at).der

    def look(self, session: Session, request: bytes, *, at: datetime) -> Looked:
        """Answer as `answer` does, and say what may be remembered."""
        try:
            asked = messages.parse_request(request)
        except DerError:
            return Looked(messages.MALFORMED_REQUEST)
        try:
            issuer = self.issuers.asked_about(session, asked, at)
            if issuer is None:
                return Looked(messages.UNAUTHORIZED)
            return self._answer(session, asked, issuer, at)
        except (AuthorityUnavailable, AuthorityNotFound):
            return Looked(messages.TRY_LATER)

    def with_nonce(
        self, asked: OcspRequest, issuer: Issuer, *, status: bytes, at: datetime
    ) -> bytes:
        """Sign the answer to a request for one certificate whose status the caller knows."""
        return self._sign(asked, issuer, [status], at)

    def presign(self, session: Session, certificate: Certificate, *, at: datetime) -> None:
        """Sign and store the answer for one certificate, in the caller's transaction."""
        session.flush()
        # The lock makes a renewal wait for a revocation that is under way, and then see it.
        columns = select(Certificate.authority_id, Certificate.serial_number, *_STATUS_COLUMNS)
        locked = columns.where(Certificate.id == certificate.id).with_for_update(key_share=True)
        row = session.execute(locked).one()
        issuer = self.issuers.with_id(session, row.authority_id, at)
        made = self.signed(issuer, int(row.serial_number, 16), _status(row).encoded(), at=at)
        columns_of_answer = {
            "certificate_id": certificate.id,
            "authority_id": row.authority_id,
            "serial_number": row.serial_number,
            "this_update": made.this_update,
            "next_update": made.next_update,
            "der": made.der,
        }
        store(session, [columns_of_answer])

    def signed(
        self, issuer: Issuer, serial_number: int, status: bytes, *, at: datetime
    ) -> SignedAnswer:
        """Sign an answer to be stored."""
        this_update = at.replace(microsecond=0)
        identifier = messages.certificate_id_of(issuer.name_and_key, serial_number)
        single = SingleAnswer(identifier, status, this_update, this_update + self._lifetime)
        encoded = issuer.responder.answer([single], produced_at=this_update)
        return SignedAnswer(single.this_update, single.next_update, encoded)

    def signed_each(
        self, issuer: Issuer, serial_numbers: Sequence[int], status: bytes, *, at: datetime
    ) -> list[SignedAnswer]:
        """Sign answers to be stored, all with one status; AuthorityUnavailable if any fails."""
        begin = at.replace(microsecond=0)
        until = begin + self._lifetime
        identifiers = [
            messages.certificate_id_of(issuer.name_and_key, serial) for serial in serial_numbers
        ]
        said = SingleAnswer(b"", status, begin, until)
        made: list[SignedAnswer] = []
        for encoded in issuer.responder.answer_each(identifiers, said, produced_at=begin):
            if isinstance(encoded, HsmError):
                raise AuthorityUnavailable(str(encoded)) from encoded
            made.append(SignedAnswer(begin, until, encoded))
        return made

    def _answer(self, session: Session, asked: OcspRequest, issuer: Issuer, at: datetime) -> Looked:
        statuses: list[bytes] = []
        alone = len(asked.certificates) == 1
        memorable = False
        for wanted in asked.certificates:
            status, stored = _look_up(session, issuer, wanted)
            encoded = status.encoded()
            serial = f"{wanted.serial:040x}"
            if stored is not None and _is_enough(asked, wanted, encoded, stored, at):
                return Looked(bytes(stored.der), serial, encoded, stored.next_update)
            statuses.append(encoded)
            memorable = alone and stored is not None
        signed = self._sign(asked, issuer, statuses, at)
        if not memorable:
            return Looked(signed)
        until = at.replace(microsecond=0) + self._lifetime
        return Looked(signed, f"{asked.certificates[0].serial:040x}", statuses[0], until)

    def _sign(
        self, asked: OcspRequest, issuer: Issuer, statuses: list[bytes], at: datetime
    ) -> bytes:
        this_update = at.replace(microsecond=0)
        singles = [
            SingleAnswer(wanted.encoded, status, this_update, this_update + self._lifetime)
            for wanted, status in zip(asked.certificates, statuses, strict=True)
        ]
        return issuer.responder.answer(singles, produced_at=this_update, nonce=asked.nonce)


_NEVER_ISSUED: Final = _Status(CertificateStatus.ISSUING)
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


def _look_up(
    session: Session, issuer: Issuer, wanted: CertificateId
) -> tuple[_Status, SignedAnswer | None]:
    if wanted.serial in issuer.authorities:
        return _authority_status(session, issuer.authorities[wanted.serial]), None
    if wanted.serial < 0:
        return _NEVER_ISSUED, None
    asked = {"authority_id": issuer.authority_id, "serial_number": f"{wanted.serial:040x}"}
    row = session.connection().execute(_LOOK_UP, asked).one_or_none()
    if row is None:
        return _NEVER_ISSUED, None
    if row.der is None:
        return _status(row), None
    return _status(row), SignedAnswer(row.this_update, row.next_update, row.der)


def _authority_status(session: Session, authority_id: uuid.UUID) -> _Status:
    row = session.execute(
        select(Authority.revoked_at, Authority.revocation_reason).where(
            Authority.id == authority_id
        )
    ).one()
    if row.revoked_at is None:
        return _Status(CertificateStatus.ACTIVE)
    return _Status(CertificateStatus.REVOKED, row.revoked_at, row.revocation_reason)


def _status(row: Row[*tuple[Any, ...]]) -> _Status:
    """Read the status off a row that has `_STATUS_COLUMNS`."""
    if row.status is CertificateStatus.SUSPENDED:
        return _Status(row.status, row.suspended_at, RevocationReason.CERTIFICATE_HOLD)
    return _Status(row.status, row.revoked_at, row.revocation_reason)


def _is_enough(
    asked: OcspRequest, wanted: CertificateId, status: bytes, stored: SignedAnswer, at: datetime
) -> bool:
    """Say whether the stored answer is the answer to this request now.

    It names the certificate by SHA-1 and says one status; that it says the present one is read off
    its bytes, not off the times of two clocks.
    """
    return (
        asked.nonce is None
        and len(asked.certificates) == 1
        and stored.this_update <= at < stored.next_update
        and wanted.encoded + status in stored.der
    )


def store(session: Session, rows: list[dict[str, object]]) -> None:
    """Store answers that `OcspService.signed` made, each in place of its certificate's last."""
    statement = insert(OcspAnswer)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[OcspAnswer.certificate_id],
            set_={name: statement.excluded[name] for name in rows[0] if name != "certificate_id"},
        ),
        rows,
    )


_services: weakref.WeakKeyDictionary[KeyStore, OcspService] = weakref.WeakKeyDictionary()
"""Opened responders by key store; only a saving of time, any process can open them again."""


def service_of(keys: KeyStore) -> OcspService:
    """Return the one service of a key store."""
    found = _services.get(keys)
    if found is None:
        found = _services.setdefault(keys, OcspService(keys))
    return found


def presign(session: Session, *, certificate: Certificate, keys: KeyStore, at: datetime) -> None:
    """Sign and store the OCSP answer for a certificate's present status.

    Called in the transaction that changes the status, after the change; AuthorityUnavailable when
    the responder's key cannot be used, and then the change must not be committed either.
    """
    service_of(keys).presign(session, certificate, at=at)


def answer(session: Session, request: bytes, *, keys: KeyStore, at: datetime) -> bytes:
    """Answer one request; who answers many keeps an `OcspService`."""
    return OcspService(keys).answer(session, request, at=at)
