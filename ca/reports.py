"""Totals of certificates as of any date, computed from the history and never from counters.

In every group and at every moment: issued = in force + suspended + revoked + expired. A revoked
certificate stays revoked after its end; a suspended one that has run out counts as expired.

There are two times: `as_of`, how things stood, and `known_at`, what we knew of it. They part where
another issuer's decision was learnt late; with both given, the answer is the same for ever.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Label,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    and_,
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


NOTHING: Final = Totals(0, 0, 0, 0, 0)


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
    plain = tuple(d for d in dimensions if d is not Dimension.STATUS)
    rows = session.execute(_query(plain, as_of, under, known_at)).all()
    groups = tuple(
        ReportRow(
            group={d.value: str(row[i]) for i, d in enumerate(plain)},
            totals=_totals(row[len(plain) :]),
        )
        for row in rows
    )
    if Dimension.STATUS in dimensions:
        groups = _by_standing(groups, dimensions)
    whole = (
        Totals(*(sum(column) for column in zip(*map(_numbers, groups), strict=True)))
        if (groups)
        else NOTHING
    )
    return CertificateReport(as_of, tuple(d.value for d in dimensions), whole, groups)


def standing_of(as_of: datetime) -> ColumnElement[str]:
    """Return what the certificate of a row counts as at `as_of`, for use in a condition on it."""
    return _standing(_last_status(as_of), as_of, None)


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
    """Count by what stands in the certificates' own rows, then name and sum up those few groups."""
    counted = _counted(dimensions, as_of, under, known_at).subquery("counted")
    groups: list[SQLColumnExpression[str]] = [
        _named_group(d, counted).label(d.value) for d in dimensions
    ]
    sums = [func.sum(counted.c[name]) for name in ("issued", *Standing)]
    query: Select[*tuple[Any, ...]] = select(*groups, *sums).select_from(counted)
    if {Dimension.ORGANIZATION, Dimension.LEVEL} & set(dimensions):
        query = query.join(Organization, Organization.id == counted.c.organization_id)
    if Dimension.ISSUER in dimensions:
        query = query.outerjoin(Authority, Authority.id == counted.c.authority_id)
        query = query.outerjoin(KnownIssuer, KnownIssuer.id == counted.c.known_issuer_id)
    if not groups:
        return query
    return query.group_by(*groups).order_by(*groups)


def _counted(
    dimensions: tuple[Dimension, ...],
    as_of: datetime,
    under: uuid.UUID | None,
    known_at: datetime | None,
) -> Select[*tuple[Any, ...]]:
    paused = _last_of_paused(as_of, known_at).subquery("paused")
    standing = _standing(paused.c.status, as_of, known_at)
    own = list(dict.fromkeys(column for d in dimensions for column in _own_columns(d)))
    counts = [func.count().filter(standing == kind.value).label(kind.value) for kind in Standing]
    query: Select[*tuple[Any, ...]] = (
        select(*own, func.count().label("issued"), *counts)
        .select_from(Certificate)
        .outerjoin(paused, paused.c.certificate_id == Certificate.id)
        .where(Certificate.issued_at <= as_of)
    )
    if known_at is not None:
        query = query.where(Certificate.created_at <= known_at)
    if under is not None:
        query = query.where(Certificate.organization_id.in_(organizations.subtree(under)))
    return query.group_by(*own)


def _revoked(as_of: datetime, known_at: datetime | None) -> ColumnElement[bool]:
    """Revoked is final, so the row itself says since when, whatever its history."""
    if known_at is None:
        return Certificate.revoked_at <= as_of
    change = CertificateStatusChange
    learnt_late = select(change.certificate_id).where(
        change.status == CertificateStatus.REVOKED, change.recorded_at > known_at
    )
    return and_(Certificate.revoked_at <= min(as_of, known_at), Certificate.id.not_in(learnt_late))


def _last_of_paused(
    as_of: datetime, known_at: datetime | None
) -> Select[uuid.UUID, CertificateStatus]:
    """Return the last change by that moment of every certificate that was ever paused.

    Of the others the row says everything; so no history of a million rows has to be read.
    """
    change = CertificateStatusChange
    query = (
        select(change.certificate_id, change.status)
        .ext(distinct_on(change.certificate_id))
        .where(change.at <= as_of, change.certificate_id.in_(ever_suspended(as_of)))
        .order_by(change.certificate_id, change.at.desc(), change.id.desc())
    )
    if known_at is not None:
        query = query.where(func.coalesce(change.recorded_at, change.at) <= known_at)
    return query


def _standing(
    last: ColumnElement[CertificateStatus] | ScalarSelect[CertificateStatus],
    as_of: datetime,
    known_at: datetime | None,
) -> ColumnElement[str]:
    """Return what a certificate counts as; `last` is the status it last changed to."""
    return case(
        (_revoked(as_of, known_at), literal(Standing.REVOKED.value)),
        (Certificate.not_after < as_of, literal(Standing.EXPIRED.value)),
        (last == CertificateStatus.SUSPENDED, literal(Standing.SUSPENDED.value)),
        else_=literal(Standing.IN_FORCE.value),
    )


_COLUMNS: Final[Mapping[Dimension, SQLColumnExpression[str]]] = {
    Dimension.KIND: Certificate.kind,
    Dimension.ORGANIZATION: Organization.code,
    Dimension.LEVEL: Organization.level,
    Dimension.ISSUER: func.coalesce(Authority.slug, KnownIssuer.slug),
    Dimension.PROFILE: Certificate.profile,
}

_OWN_COLUMNS: Final[Mapping[Dimension, tuple[SQLColumnExpression[Any], ...]]] = {
    Dimension.KIND: (Certificate.kind,),
    Dimension.STATUS: (),
    Dimension.ORGANIZATION: (Certificate.organization_id,),
    Dimension.LEVEL: (Certificate.organization_id,),
    Dimension.ISSUER: (Certificate.authority_id, Certificate.known_issuer_id),
    Dimension.PROFILE: (Certificate.profile,),
}


def _column(dimension: Dimension) -> SQLColumnExpression[str]:
    return _month().element if dimension is Dimension.MONTH else _COLUMNS[dimension]


def _own_columns(dimension: Dimension) -> tuple[SQLColumnExpression[Any], ...]:
    """Return the columns of a certificate's own row that decide on its group."""
    if dimension is Dimension.MONTH:
        return (_month(),)
    return _OWN_COLUMNS[dimension]


def _named_group(dimension: Dimension, counted: FromClause) -> SQLColumnExpression[str]:
    """Return the name of a group, where its certificates are counted already."""
    if dimension in {Dimension.KIND, Dimension.PROFILE, Dimension.MONTH}:
        return cast("SQLColumnExpression[str]", counted.c[dimension.value])
    return _COLUMNS[dimension]


def _month() -> Label[str]:
    month = func.to_char(func.timezone("UTC", Certificate.issued_at), "YYYY-MM")
    return month.label(Dimension.MONTH.value)


def _dimensions(by: Sequence[str]) -> tuple[Dimension, ...]:
    try:
        dimensions = tuple(Dimension(name) for name in by)
    except ValueError as e:
        known = ", ".join(Dimension)
        raise ReportInvalid(f"a report is grouped by any of {known}") from e
    if len(set(dimensions)) < len(dimensions):
        raise ReportInvalid("the same dimension twice")
    return dimensions


def _by_standing(
    rows: Sequence[ReportRow], dimensions: Sequence[Dimension]
) -> tuple[ReportRow, ...]:
    """Make a row of each standing in each group: it is counted beside the others already."""
    before = dimensions[: dimensions.index(Dimension.STATUS)]
    order: dict[tuple[str, ...], int] = {}
    found = []
    for number, row in enumerate(rows):
        values = tuple(row.group[d.value] for d in before)
        rank = order.setdefault(values, len(order))
        for standing in Standing:
            count: int = getattr(row.totals, standing.value)
            if count:
                group = {**row.group, Dimension.STATUS.value: standing.value}
                ordered = {d.value: group[d.value] for d in dimensions}
                totals = replace(NOTHING, issued=count, **{standing.value: count})
                found.append(((rank, standing.value, number), ReportRow(ordered, totals)))
    return tuple(row for _, row in sorted(found, key=lambda pair: pair[0]))


def _totals(numbers: Sequence[object]) -> Totals:
    issued, in_force, suspended, revoked, expired = (int(str(n)) for n in numbers)
    return Totals(issued, in_force, suspended, revoked, expired)


def _numbers(row: ReportRow) -> tuple[int, ...]:
    t = row.totals
    return (t.issued, t.in_force, t.suspended, t.revoked, t.expired)
