"""The watch over what we publish: alarms before a list, an answer or a certificate runs out.

An alarm is a row: raised once, cleared when the cause is gone, both in the audit log. Nothing is
published here; the jobs in `ca.jobs` do that, and this tells when they have not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ca import crl
from ca.models import Authority, AuthorityRole, Certificate, CertificateStatus
from ca.models_publication import Alarm, OcspAnswer
from ca.models_trust import TrustedListRow
from db.audited import Audited
from db.base import uuid7

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy.orm import Session

CRL_MARGIN: Final = timedelta(days=2)
"""A complete list lives seven days and comes daily: five missed days are an alarm."""
DELTA_MARGIN: Final = timedelta(hours=6)
OCSP_MARGIN: Final = timedelta(hours=2)
"""Answers live twelve hours and are renewed six before their end."""
CERTIFICATE_MARGIN: Final = timedelta(days=14)
"""Services are renewed thirty days before their end (`ca.renewal`)."""
TRUSTED_LIST_MARGIN: Final = timedelta(days=7)
"""Somebody has to fetch and import the next one; past its end a list says nothing of today."""

OF_FETCHING: Final = frozenset({"trusted_list_refused", "trusted_list_missing"})
"""Alarms that only whoever fetches lists can raise and clear (`ca.list_fetching`)."""
_LISTING: Final = frozenset({AuthorityRole.ROOT, AuthorityRole.ISSUING})
_SERVICES: Final = frozenset({AuthorityRole.OCSP, AuthorityRole.TSA})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an alarm is to be open."""

    kind: str
    subject: str
    runs_out_at: datetime


def watch(session: Session, *, at: datetime, actor: str = "system") -> list[Alarm]:
    """Raise and clear alarms by what is stored now; the ones that are open afterwards.

    Kinds: `crl_missing`, `crl_near_end`, `crl_past_end`, `ocsp_near_end`, `ocsp_past_end`,
    `certificate_near_end`, `certificate_past_end`, `trusted_list_near_end`,
    `trusted_list_past_end`; `OF_FETCHING` are left as they are.
    """
    raised = [one for one in open_alarms(session, locked=True) if one.kind not in OF_FETCHING]
    _settle(session, raised, _causes(session, at), at=at, actor=actor)
    return list(open_alarms(session))


def settle_lists(
    session: Session, causes: Iterable[Cause], *, at: datetime, actor: str
) -> list[Alarm]:
    """Raise and clear the alarms about fetching trusted lists; the ones of all kinds afterwards."""
    raised = [one for one in open_alarms(session, locked=True) if one.kind in OF_FETCHING]
    _settle(session, raised, causes, at=at, actor=actor)
    return list(open_alarms(session))


def _settle(
    session: Session, raised: Iterable[Alarm], present: Iterable[Cause], *, at: datetime, actor: str
) -> None:
    causes = {(cause.kind, cause.subject): cause for cause in present}
    known = {(alarm.kind, alarm.subject): alarm for alarm in raised}
    for key, alarm in known.items():
        if key not in causes:
            alarm.cleared_at = at
            _ALARMS.record(session, alarm, "alarm.clear", at=at, actor=actor)
    for key, cause in causes.items():
        if key not in known:
            alarm = Alarm(
                id=uuid7(),
                kind=cause.kind,
                subject=cause.subject,
                runs_out_at=cause.runs_out_at,
                raised_at=at,
            )
            session.add(alarm)
            _ALARMS.record(session, alarm, "alarm.raise", at=at, actor=actor)
        else:
            known[key].runs_out_at = cause.runs_out_at
    session.flush()


def open_alarms(session: Session, *, locked: bool = False) -> Sequence[Alarm]:
    """Return the alarms that are not cleared, the most urgent first."""
    query = select(Alarm).where(Alarm.cleared_at.is_(None)).order_by(Alarm.runs_out_at, Alarm.id)
    return session.scalars(query.with_for_update() if locked else query).all()


def _causes(session: Session, at: datetime) -> Iterator[Cause]:
    authorities = session.scalars(select(Authority).where(Authority.not_after > at)).all()
    for authority in authorities:
        if authority.role in _LISTING:
            yield from _of_lists(session, authority, at)
    yield from _of_answers(session, at)
    yield from _of_certificates(session, at)
    for row in session.scalars(select(TrustedListRow)):
        subject, margin = f"{row.territory} {row.operator}", TRUSTED_LIST_MARGIN
        yield from _near("trusted_list", subject, row.next_update, at=at, margin=margin)


def _of_lists(session: Session, authority: Authority, at: datetime) -> Iterator[Cause]:
    for scope, newest in crl.scopes(session, authority):
        subject = scope.path(authority.slug)
        if newest is None:
            yield Cause("crl_missing", subject, at)
        else:
            margin = DELTA_MARGIN if scope.delta else CRL_MARGIN
            yield from _near("crl", subject, newest.next_update, at=at, margin=margin)


def _of_answers(session: Session, at: datetime) -> Iterator[Cause]:
    """Look for stored answers of living certificates that nobody has renewed."""
    earliest = session.scalar(
        select(func.min(OcspAnswer.next_update))
        .join(Certificate, Certificate.id == OcspAnswer.certificate_id)
        .where(
            OcspAnswer.next_update <= at + OCSP_MARGIN,
            Certificate.not_after > at,
            Certificate.status != CertificateStatus.ABANDONED,
        )
    )
    if earliest is not None:
        yield from _near("ocsp", "ocsp", earliest, at=at, margin=OCSP_MARGIN)


def _of_certificates(session: Session, at: datetime) -> Iterator[Cause]:
    """Look at the newest certificate of each service: an older one may run out."""
    rows = session.scalars(
        select(Authority)
        .where(Authority.role.in_(_SERVICES), Authority.revoked_at.is_(None))
        .order_by(Authority.created_at)
    )
    newest = {(row.role, row.issuer_id): row for row in rows}
    for row in newest.values():
        margin = CERTIFICATE_MARGIN
        yield from _near("certificate", row.slug, row.not_after, at=at, margin=margin)


def _near(
    kind: str, subject: str, end: datetime, *, at: datetime, margin: timedelta
) -> Iterator[Cause]:
    if end <= at:
        yield Cause(f"{kind}_past_end", subject, end)
    elif end <= at + margin:
        yield Cause(f"{kind}_near_end", subject, end)


def _facts(alarm: Alarm) -> dict[str, object]:
    return {
        "kind": alarm.kind,
        "subject": alarm.subject,
        "runs_out_at": alarm.runs_out_at.isoformat(),
    }


_ALARMS: Final = Audited("alarm", _facts)
