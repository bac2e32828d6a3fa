"""Totals of certificates as of any date, computed from the history and never from counters.

In every group and at every moment: issued = in force + suspended + revoked + expired. A revoked
certificate stays revoked after its end; a suspended one that has run out counts as expired.

There are two times: `as_of`, how things stood, and `known_at`, what we knew of it. They part where
another issuer's decision was learnt late; with both given, the answer is the same for ever.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    case,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from ca import organizations
from ca.errors import ReportInvalid
from ca.models import (
    Authority,
    Certificate,
    CertificateStatus,
    CertificateStatusChange,
    Organization,
)
from ca.models_issuers import KnownIssuer

Selected = TypeVar("Selected", bound=Select[*tuple[Any, ...]])


class Standing(StrEnum):
    """What a certificate counts as at a moment."""

    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Dimension(StrEnum):
    """What a report can be grouped by; the month is that of issue, in UTC."""

    KIND = "kind"
    STATUS = "status"
    ORGANIZATION = "organization"
    LEVEL = "level"
    ISSUER = "issuer"
    PROFILE = "profile"
    MONTH = "month"


@dataclass(frozen=True)
class Totals:
    """How many certificates were ever issued, and what has become of them."""

    issued: int
    in_force: int
    suspended: int
    revoked: int
    expired: int


@dataclass(frozen=True)
class ReportRow:
    """One group: the value of each dimension (a kind, the code of a unit...), and its totals."""

    group: Mapping[str, str]
    totals: Totals


@dataclass(frozen=True)
class CertificateReport:
    """The totals as of a moment, whole and by group."""

    as_of: datetime
    by: tuple[str, ...]
    totals: Totals
    rows: tuple[ReportRow, ...]


def certificate_totals(
    session: Session,
    *,
    as_of: datetime,
    by: Sequence[str] = (),
    under: uuid.UUID | None = None,
    known_at: datetime | None = None,
) -> CertificateReport:
    """Count certificates as they stood at `as_of`, grouped `by` dimensions, within a subtree.

    With `known_at` only what was in our record by then counts, so that the answer is the same
    whenever it is asked, also after a later import. Raises ReportInvalid for an unknown or repeated
    dimension, OrganizationNotFound for an unknown subtree.
    """
    dimensions = _dimensions(by)
    if under is not None:
        organizations.get(session, under)
    rows = session.execute(_query(dimensions, as_of, under, known_at)).all()
    groups = tuple(
        ReportRow(
            group={d.value: str(row[i]) for i, d in enumerate(dimensions)},
            totals=_totals(row[len(dimensions) :]),
        )
        for row in rows
    )
    whole = (
        Totals(*(sum(column) for column in zip(*map(_numbers, groups), strict=True)))
        if (groups)
        else Totals(0, 0, 0, 0, 0)
    )
    return CertificateReport(as_of, tuple(d.value for d in dimensions), whole, groups)


def standing_at(as_of: datetime) -> Select[uuid.UUID, str]:
    """Return the query for (certificate id, standing) of everything issued by that moment.

    It is what the totals count, so that every number opens the list behind it.
    """
    last = _last_changes(as_of).subquery("last")
    return (
        select(Certificate.id, _standing(last.c.status, as_of))
        .outerjoin(last, last.c.certificate_id == Certificate.id)
        .where(Certificate.issued_at <= as_of)
    )


def standing_of(as_of: datetime) -> ColumnElement[str]:
    """Return what the certificate of a row counts as at `as_of`, for use in a condition on it."""
    return _standing(_last_status(as_of), as_of)


def ever_touched(as_of: datetime) -> Select[uuid.UUID]:
    """Return the query for the ids of all that were suspended or revoked by `as_of`, ever."""
    change = CertificateStatusChange
    return select(change.certificate_id).where(
        change.at <= as_of,
        change.status.in_([CertificateStatus.SUSPENDED, CertificateStatus.REVOKED]),
    )


def ever_suspended(as_of: datetime) -> Select[uuid.UUID]:
    """Return the query for the ids of all that were suspended by `as_of`, if only for a time."""
    change = CertificateStatusChange
    return select(change.certificate_id).where(
        change.at <= as_of, change.status == CertificateStatus.SUSPENDED
    )


def group_value(dimension: Dimension) -> SQLColumnExpression[str]:
    """Return the expression whose value names the group, for use in a condition."""
    return _column(dimension)


def joined(query: Selected, dimensions: Iterable[Dimension]) -> Selected:
    """Return a query on certificates with the tables joined that these dimensions read."""
    wanted = set(dimensions)
    if {Dimension.ORGANIZATION, Dimension.LEVEL} & wanted:
        query = query.join(Organization, Organization.id == Certificate.organization_id)
    if Dimension.ISSUER in wanted:
        query = query.outerjoin(Authority, Authority.id == Certificate.authority_id)
        query = query.outerjoin(KnownIssuer, KnownIssuer.id == Certificate.known_issuer_id)
    return query


def _last_status(as_of: datetime) -> ScalarSelect[CertificateStatus]:
    change = CertificateStatusChange
    return (
        select(change.status)
        .where(change.certificate_id == Certificate.id, change.at <= as_of)
        .order_by(change.at.desc(), change.id.desc())
        .limit(1)
        .correlate(Certificate)
        .scalar_subquery()
    )


def _query(
    dimensions: tuple[Dimension, ...],
    as_of: datetime,
    under: uuid.UUID | None,
    known_at: datetime | None,
) -> Select[*tuple[Any, ...]]:
    last = _last_changes(as_of, known_at).subquery("last")
    standing = _standing(last.c.status, as_of)
    groups: list[SQLColumnExpression[str]] = [
        (standing if d is Dimension.STATUS else _column(d)).label(d.value) for d in dimensions
    ]
    counts = [func.count().filter(standing == kind.value) for kind in Standing]
    query: Select[*tuple[Any, ...]] = (
        select(*groups, func.count(), *counts)
        .select_from(Certificate)
        .outerjoin(last, last.c.certificate_id == Certificate.id)
        .where(Certificate.issued_at <= as_of)
    )
    query = joined(query, dimensions)
    if known_at is not None:
        query = query.where(Certificate.created_at <= known_at)
    if under is not None:
        query = query.where(Certificate.organization_id.in_(organizations.subtree(under)))
    if not groups:
        return query
    return query.group_by(*groups).order_by(*groups)


def _last_changes(
    as_of: datetime, known_at: datetime | None = None
) -> Select[uuid.UUID, CertificateStatus]:
    """Return the last change by that moment of every certificate that was ever paused or ended.

    The others have only the change of their issue; leaving them out spares reading a history of
    a million rows to learn what `issued_at` says already.
    """
    change = CertificateStatusChange
    query = (
        select(change.certificate_id, change.status)
        .ext(distinct_on(change.certificate_id))
        .where(change.at <= as_of, change.certificate_id.in_(ever_touched(as_of)))
        .order_by(change.certificate_id, change.at.desc(), change.id.desc())
    )
    if known_at is not None:
        query = query.where(func.coalesce(change.recorded_at, change.at) <= known_at)
    return query


def _standing(
    status: ColumnElement[CertificateStatus] | ScalarSelect[CertificateStatus], as_of: datetime
) -> ColumnElement[str]:
    return case(
        (status == CertificateStatus.REVOKED, literal(Standing.REVOKED.value)),
        (Certificate.not_after < as_of, literal(Standing.EXPIRED.value)),
        (status == CertificateStatus.SUSPENDED, literal(Standing.SUSPENDED.value)),
        else_=literal(Standing.IN_FORCE.value),
    )


_COLUMNS: Final[Mapping[Dimension, SQLColumnExpression[str]]] = {
    Dimension.KIND: Certificate.kind,
    Dimension.ORGANIZATION: Organization.code,
    Dimension.LEVEL: Organization.level,
    Dimension.ISSUER: func.coalesce(Authority.slug, KnownIssuer.slug),
    Dimension.PROFILE: Certificate.profile,
}


def _column(dimension: Dimension) -> SQLColumnExpression[str]:
    if dimension is Dimension.MONTH:
        return func.to_char(func.timezone("UTC", Certificate.issued_at), "YYYY-MM")
    return _COLUMNS[dimension]


def _dimensions(by: Sequence[str]) -> tuple[Dimension, ...]:
    try:
        dimensions = tuple(Dimension(name) for name in by)
    except ValueError as e:
        known = ", ".join(Dimension)
        raise ReportInvalid(f"a report is grouped by any of {known}") from e
    if len(set(dimensions)) < len(dimensions):
        raise ReportInvalid("the same dimension twice")
    return dimensions


def _totals(numbers: Sequence[object]) -> Totals:
    issued, in_force, suspended, revoked, expired = (int(str(n)) for n in numbers)
    return Totals(issued, in_force, suspended, revoked, expired)


def _numbers(row: ReportRow) -> tuple[int, ...]:
    t = row.totals
    return (t.issued, t.in_force, t.suspended, t.revoked, t.expired)
