"""Comparing our record of certificates issued elsewhere with what their issuers publish.

For each issuer whose certificate is known its CRLs are fetched, through the guarded fetcher, and
checked; every certificate of it is then looked up. Without a usable CRL its OCSP service is asked,
certificate by certificate and within a bound. A difference is noted once and stays until somebody
accepts the issuer's word or a later comparison finds none. Nothing of our record changes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from sqlalchemy import select

from ca import crl_checks, der, external_status, ocsp_checks, ocsp_messages, organizations
from ca.algorithm_policy import AlgorithmPolicy
from ca.errors_registry import DifferenceClosed, DifferenceNotFound
from ca.external_status import LearntStatus
from ca.guarded_fetch import FetchRefused
from ca.models import Certificate, CertificateStatus
from ca.models_imports import DifferenceState, IssuerStatus, StatusDifference
from ca.models_issuers import KnownIssuer
from ca.parsed_certificates import UNREADABLE, CertificateUnreadable, ParsedCertificate, parse
from ca.revocation import RevocationQuery, RevocationStatus
from ca.revocation_reasons import RevocationReason
from db import audit
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from ca.crl_checks import LoadedCrl
    from ca.guarded_fetch import Fetcher

PAGE: Final = 5_000
"""Certificates compared in one transaction."""
MAX_OCSP: Final = 500
"""Certificates asked about one by one in a run; the next run goes on after the last of them."""
FETCH_SECONDS: Final = 20.0
ACTOR: Final = "system"

NO_CERTIFICATE: Final = "issuer_certificate_missing"
NO_ADDRESS: Final = "no_address"
UNREACHABLE: Final = "unreachable"
NOT_TRUSTWORTHY: Final = "not_signed_by_issuer_or_stale"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer says of one certificate."""

    status: IssuerStatus
    source: str
    moment: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the comparison with one issuer went; `problem` is a stable word, None when made."""

    issuer_id: uuid.UUID
    compared: int
    differing: int
    problem: str | None


def watch(sessions: sessionmaker[Session], fetcher: Fetcher, *, at: datetime) -> list[Comparison]:
    """Compare every issuer's certificates with what it publishes; commits as it goes."""
    with sessions() as session:
        issuers = list(session.scalars(select(KnownIssuer).order_by(KnownIssuer.id)))
    return [_watch_one(sessions, fetcher, issuer, at=at) for issuer in issuers]


def _watch_one(
    sessions: sessionmaker[Session], fetcher: Fetcher, issuer: KnownIssuer, *, at: datetime
) -> Comparison:
    problem: str | None = None
    compared = differing = 0
    last = issuer.check_cursor
    try:
        asking = _asking(issuer, fetcher, at)
    except _CannotCompare as reason:
        problem = reason.word
    else:
        while True:
            with sessions.begin() as session:
                page = _page(session, issuer.id, at=at, after=last, limit=asking.page)
                notes = _Notes(session, [certificate.id for certificate in page], at)
                for certificate in page:
                    answer = asking.answer(certificate)
                    if answer is not None:
                        compared += 1
                        differing += notes.take(certificate, answer)
            last = page[-1].id if len(page) == asking.page else None
            if last is None or asking.once:
                break
    with sessions.begin() as session:
        row = session.get_one(KnownIssuer, issuer.id, with_for_update=True)
        row.check_problem, row.check_cursor = problem, last
        row.checked_at = at if problem is None else row.checked_at
    return Comparison(issuer.id, compared, differing, problem)


def differences(
    session: Session,
    *,
    states: frozenset[DifferenceState] = frozenset({DifferenceState.OPEN}),
    under: uuid.UUID | None = None,
    limit: int,
    before: uuid.UUID | None = None,
) -> list[tuple[StatusDifference, Certificate]]:
    """Return up to `limit` differences with their certificates, newest first."""
    query = (
        select(StatusDifference, Certificate)
        .join(Certificate, Certificate.id == StatusDifference.certificate_id)
        .where(StatusDifference.state.in_(states))
        .order_by(StatusDifference.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(StatusDifference.id < before)
    if under is not None:
        query = query.where(Certificate.organization_id.in_(organizations.subtree(under)))
    return [(row[0], row[1]) for row in session.execute(query)]


def get(session: Session, difference_id: uuid.UUID) -> tuple[StatusDifference, Certificate]:
    """Return a difference and its certificate; DifferenceNotFound."""
    found = session.get(StatusDifference, difference_id)
    if found is None:
        raise DifferenceNotFound(f"no difference {difference_id}")
    return found, session.get_one(Certificate, found.certificate_id)


def accept(
    session: Session, difference_id: uuid.UUID, *, at: datetime, actor: str
) -> StatusDifference:
    """Take the issuer's word into our record; DifferenceClosed when that was done before.

    Raises AlreadyRevoked where our record is revoked: what an issuer takes back, we cannot.
    """
    found = session.get(
        StatusDifference, difference_id, with_for_update=True, populate_existing=True
    )
    if found is None:
        raise DifferenceNotFound(f"no difference {difference_id}")
    if found.state is not DifferenceState.OPEN:
        raise DifferenceClosed(found.state.value, DifferenceState.ACCEPTED.value)
    certificate = session.get_one(
        Certificate, found.certificate_id, with_for_update=True, populate_existing=True
    )
    status = _OURS[found.theirs]
    reason = _reason(found) if status is not CertificateStatus.ACTIVE else None
    learnt = LearntStatus(status, found.their_moment or at, reason, "certificate.issuer_status")
    external_status.record(session, certificate, learnt, at=at, actor=actor)
    _close(found, DifferenceState.ACCEPTED, at=at, actor=actor)
    session.flush()
    return found


class _CannotCompare(Exception):
    """Why an issuer cannot be compared with; stays inside this module."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class _ByCrl:
    """Answers from complete CRLs that were fetched and checked."""

    page = PAGE
    once = False

    def __init__(self, crls: Mapping[str, LoadedCrl]) -> None:
        self._entries = {
            entry.serial_number: (url, entry)
            for url, loaded in crls.items()
            for entry in loaded.crl
        }
        self._source = next(iter(crls))

    def answer(self, certificate: Certificate) -> Answer | None:
        found = self._entries.get(int(certificate.serial_number, 16))
        if found is None:
            return Answer(IssuerStatus.GOOD, self._source)
        url, entry = found
        reason = _entry_reason(entry)
        held = reason == RevocationReason.CERTIFICATE_HOLD.value
        status = IssuerStatus.SUSPENDED if held else IssuerStatus.REVOKED
        return Answer(status, url, entry.revocation_date_utc, reason)


class _ByOcsp:
    """Answers of an OCSP service, one request each, up to a bound."""

    page = MAX_OCSP
    once = True

    def __init__(
        self, issuer: ParsedCertificate, fetcher: Fetcher, url: str, *, at: datetime
    ) -> None:
        self._issuer, self._fetcher, self._url, self._at = issuer, fetcher, url, at

    def answer(self, certificate: Certificate) -> Answer | None:
        if certificate.der is None:
            return None
        try:
            parsed = parse(certificate.der)
            data = self._fetcher.post(
                self._url, self._request(parsed), "application/ocsp-request", seconds=FETCH_SECONDS
            )
        except (CertificateUnreadable, FetchRefused):
            return None
        query = RevocationQuery(parsed, self._issuer, self._at, FETCH_SECONDS)
        rules = ocsp_checks.AnswerRules(AlgorithmPolicy(), legacy=True)
        fact = ocsp_checks.status(query, data, source=self._url, rules=rules)
        if fact is None or fact.status not in _SAID:
            return None
        return Answer(_SAID[fact.status], self._url, fact.revoked_at, fact.reason)

    def _request(self, parsed: ParsedCertificate) -> bytes:
        identifier = ocsp_messages.certificate_id(self._issuer.certificate, parsed.serial_number)
        return der.sequence(der.sequence(der.sequence(der.sequence(identifier.encoded))))


def _asking(issuer: KnownIssuer, fetcher: Fetcher, at: datetime) -> _ByCrl | _ByOcsp:
    if issuer.certificate is None:
        raise _CannotCompare(NO_CERTIFICATE)
    if not issuer.crl_urls and not issuer.ocsp_urls:
        raise _CannotCompare(NO_ADDRESS)
    try:
        signer = parse(issuer.certificate)
    except CertificateUnreadable as e:
        raise _CannotCompare(NO_CERTIFICATE) from e
    found, reached = _crls(issuer, signer, fetcher, at)
    if found:
        return _ByCrl(found)
    if issuer.ocsp_urls:
        return _ByOcsp(signer, fetcher, issuer.ocsp_urls[0], at=at)
    raise _CannotCompare(NOT_TRUSTWORTHY if reached else UNREACHABLE)


def _crls(
    issuer: KnownIssuer, signer: ParsedCertificate, fetcher: Fetcher, at: datetime
) -> tuple[dict[str, LoadedCrl], bool]:
    """Fetch the CRLs; return those that count, and whether any address answered at all.

    When one of several lists cannot be had, none counts: a certificate that is not on the others
    need not be good.
    """
    usable: dict[str, LoadedCrl] = {}
    reached = False
    for url in issuer.crl_urls:
        try:
            data = fetcher.get(url, seconds=FETCH_SECONDS)
        except FetchRefused:
            continue
        reached = True
        loaded = crl_checks.load(data)
        if (
            loaded is not None
            and loaded.usable
            and loaded.base_number is None
            and not loaded.indirect
            and loaded.issuer == signer.subject
            and loaded.fresh(at)
            and loaded.signed_by(signer)
        ):
            usable[url] = loaded
    return (usable if len(usable) == len(issuer.crl_urls) else {}), reached


def _page(
    session: Session,
    issuer_id: uuid.UUID,
    *,
    at: datetime,
    after: uuid.UUID | None,
    limit: int,
) -> list[Certificate]:
    """Return certificates that have not run out.

    An expired one may have left its issuer's list (RFC 5280 3.3), so silence says nothing of it.
    """
    query = (
        select(Certificate)
        .where(Certificate.known_issuer_id == issuer_id, Certificate.not_after > at)
        .order_by(Certificate.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Certificate.id > after)
    return list(session.scalars(query))


class _Notes:
    """The differences that are open for some certificates, and what becomes of them."""

    def __init__(self, session: Session, ids: Sequence[uuid.UUID], at: datetime) -> None:
        self._session, self._at = session, at
        query = select(StatusDifference).where(
            StatusDifference.certificate_id.in_(ids),
            StatusDifference.state == DifferenceState.OPEN,
        )
        self._open = {row.certificate_id: row for row in session.scalars(query)}

    def take(self, certificate: Certificate, answer: Answer) -> bool:
        """Note a difference, or settle one that is gone; return whether there is one."""
        known = self._open.get(certificate.id)
        differs = certificate.status is not _OURS[answer.status]
        if differs and known is not None and known.theirs is answer.status:
            known.seen_at = self._at
            return True
        if known is not None:
            _close(known, DifferenceState.SETTLED, at=self._at, actor=ACTOR)
            self._session.flush()  # only one may be open, and the new one is about to be
        if differs:
            self._add(certificate, answer)
        return differs

    def _add(self, certificate: Certificate, answer: Answer) -> None:
        made = StatusDifference(
            id=uuid7(),
            certificate_id=certificate.id,
            state=DifferenceState.OPEN,
            ours=certificate.status.value,
            theirs=answer.status,
            their_moment=answer.moment,
            their_reason=answer.reason,
            source=answer.source,
            found_at=self._at,
            seen_at=self._at,
        )
        self._session.add(made)
        audit.record(
            self._session,
            at=self._at,
            actor=ACTOR,
            action="certificate.issuer_differs",
            object_type="certificate",
            object_id=str(certificate.id),
            after={"ours": made.ours, "theirs": made.theirs.value, "source": made.source},
        )


def _entry_reason(entry: x509.RevokedCertificate) -> str:
    """Return the reason of an entry; one that cannot be read is a plain revocation."""
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *UNREADABLE):
        reason = x509.ReasonFlags.unspecified
    return crl_checks.reason_word(reason) or RevocationReason.UNSPECIFIED.value


def _close(found: StatusDifference, state: DifferenceState, *, at: datetime, actor: str) -> None:
    found.state, found.closed_at, found.closed_by = state, at, actor


def _reason(found: StatusDifference) -> RevocationReason:
    try:
        return RevocationReason(found.their_reason or RevocationReason.UNSPECIFIED.value)
    except ValueError:
        return RevocationReason.UNSPECIFIED


_OURS: Final = {
    IssuerStatus.GOOD: CertificateStatus.ACTIVE,
    IssuerStatus.REVOKED: CertificateStatus.REVOKED,
    IssuerStatus.SUSPENDED: CertificateStatus.SUSPENDED,
}
_SAID: Final = {
    RevocationStatus.GOOD: IssuerStatus.GOOD,
    RevocationStatus.REVOKED: IssuerStatus.REVOKED,
    RevocationStatus.SUSPENDED: IssuerStatus.SUSPENDED,
}
