"""Searching certificates: by what they say, whom they are for, and what a report counted of them.

Common names need the care: of a million certificates a name may match one or a hundred thousand,
and each page has to be found without reading them all.
"""

import base64
import binascii
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.util import ClauseAdapter

from ca import organizations, reports
from ca.errors import SearchInvalid
from ca.models import (
    Certificate,
    CertificateKind,
    CertificateStatus,
    Device,
    Subscriber,
    certificate_names,
)
from ca.names import fold, storable
from ca.reports import Dimension, Selected, Standing

MAX_PAGE: Final = 500
"""Rows; a caller who wants everything asks for the next page."""

NAMED_UNITS: Final = 1_000
"""Units of a subtree that are named in a query; of a larger one the query itself is."""

MANY_NAMES: Final = 10_000
"""More names that match are not looked up one by one."""
NEWEST: Final = 4_000
"""Rows among which a common name is looked for first; of a very common one, ten times as many."""

_LOOKED_AT: Final = (
    Certificate.id,
    Certificate.search_name,
    Certificate.kind,
    Certificate.status,
    Certificate.subscriber_id,
    Certificate.device_id,
    Certificate.organization_id,
    Certificate.not_after,
    Certificate.issued_at,
)
"""What conditions beside a name may be about."""

_MAX_QUERY: Final = 200


@dataclass(frozen=True)
class SearchFilters:
    """What to look for; None means any. Everything given must hold.

    `name` matches when each of its words, folded, begins a word of the common name. `status` is a
    stored status; `expires_from` and `expires_before` bound notAfter (from inclusive, before not).
    `group` is what a report counted: its values by dimension, and `standing` at `as_of`.
    """

    name: str | None = None
    kind: CertificateKind | None = None
    status: CertificateStatus | None = None
    subscriber_id: uuid.UUID | None = None
    under: uuid.UUID | None = None
    national_id: str | None = None
    device_serial: str | None = None
    expires_from: datetime | None = None
    expires_before: datetime | None = None
    as_of: datetime | None = None
    standing: Standing | None = None
    group: Mapping[Dimension, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One page of a search; `next_cursor` is None on the last."""

    items: tuple[Certificate, ...]
    next_cursor: str | None


def search(
    session: Session, *, filters: SearchFilters, limit: int = 50, cursor: str | None = None
) -> Page:
    """Return one page, newest first; `cursor` is the `next_cursor` of the page before."""
    if not 1 <= limit <= MAX_PAGE:
        raise SearchInvalid(f"a page has 1 to {MAX_PAGE} rows")
    before = _decoded(cursor) if cursor is not None else None
    rows = _by_name(session, filters, limit + 1, before)
    if rows is None:
        query = reports.joined(select(Certificate), filters.group)
        query = query.where(*_conditions(session, filters))
        query = _page(query, limit + 1, before)
        rows = list(session.scalars(query))
    more = len(rows) > limit
    return Page(tuple(rows[:limit]), _encoded(rows[limit - 1].id) if more else None)


def _conditions(session: Session, filters: SearchFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.name is not None and _few_without_the_name(filters):
        conditions.append(_name_looks_like(filters.name))
    elif filters.name is not None:
        conditions.append(Certificate.search_name.in_(_names(filters.name)))
    if filters.kind is not None:
        conditions.append(Certificate.kind == filters.kind)
    if filters.status is not None:
        conditions.append(Certificate.status == filters.status)
    if filters.subscriber_id is not None:
        conditions.append(Certificate.subscriber_id == filters.subscriber_id)
    if filters.under is not None:
        conditions.append(Certificate.organization_id.in_(_units(session, filters.under)))
    if filters.expires_from is not None:
        conditions.append(Certificate.not_after >= filters.expires_from)
    if filters.expires_before is not None:
        conditions.append(Certificate.not_after < filters.expires_before)
    return conditions + _holder_conditions(filters) + _report_conditions(filters)


def _units(session: Session, under: uuid.UUID) -> list[uuid.UUID] | Select[uuid.UUID]:
    """Return the units of a subtree one by one, so that the planner knows how few they are."""
    query = organizations.subtree(under)
    found = list(session.scalars(query.limit(NAMED_UNITS + 1)))
    return found if len(found) <= NAMED_UNITS else query


def _by_name(
    session: Session, filters: SearchFilters, wanted: int, before: uuid.UUID | None
) -> list[Certificate] | None:
    """Find the page among the newest rows, or by the names that match; None: neither will do.

    Common names fill a page from few rows; where they do not, few enough names match.
    """
    if filters.name is None or _of_one_holder(filters):
        return None
    few = _few_without_the_name(filters)
    found = None if few else _among_the_newest(session, filters, wanted, before, NEWEST)
    if found is not None:
        return found
    found = _newest_of_names(session, filters, wanted, before)
    if found is not None or few:
        return found
    return _among_the_newest(session, filters, wanted, before, 10 * NEWEST)


def _newest_of_names(
    session: Session, filters: SearchFilters, wanted: int, before: uuid.UUID | None
) -> list[Certificate] | None:
    """Merge the newest certificates of each name that matches, which an index has side by side.

    None when there are too many such names. The names stay in the database.
    """
    matching = _names(filters.name or "").distinct().limit(MANY_NAMES + 1)
    each = matching.cte("each").prefix_with("MATERIALIZED")
    how_many = select(func.count()).select_from(each).scalar_subquery()
    conditions = _conditions(session, replace(filters, name=None))
    of_one = reports.joined(select(Certificate.id), filters.group)
    of_one = of_one.where(Certificate.search_name == each.c.name, *conditions)
    newest = _page(of_one, wanted, before).correlate(each).lateral("newest")
    merged = (
        select(newest.c.id)
        .select_from(each.join(newest, true()))
        .where(how_many <= MANY_NAMES)
        .order_by(newest.c.id.desc())
        .limit(wanted)
    )
    ids = func.array(merged.scalar_subquery(), type_=ARRAY(Uuid))
    count, found = session.execute(select(how_many, ids)).one()
    return _rows(session, found) if count <= MANY_NAMES else None


def _among_the_newest(
    session: Session, filters: SearchFilters, wanted: int, before: uuid.UUID | None, rows: int
) -> list[Certificate] | None:
    """Look for a name among the next rows only; None when they do not fill the page.

    The rows stream by: it ends with the page.
    """
    if filters.standing is not None or filters.group or filters.name is None:
        return None
    window = _page(select(*_LOOKED_AT), rows, before).subquery("newest")
    adapt = ClauseAdapter(window).traverse
    wanted_here = [
        adapt(condition)
        for condition in (
            *_conditions(session, replace(filters, name=None)),
            _name_looks_like(filters.name),
        )
    ]
    query = select(window.c.id).where(*wanted_here).order_by(window.c.id.desc()).limit(wanted)
    ids = session.scalars(query).all()
    return _rows(session, ids) if len(ids) == wanted else None


def _page(query: Selected, wanted: int, before: uuid.UUID | None) -> Selected:
    """Take the newest rows, those before a cursor."""
    if before is not None:
        query = query.where(Certificate.id < before)
    return query.order_by(Certificate.id.desc()).limit(wanted)


def _rows(session: Session, ids: Sequence[uuid.UUID]) -> list[Certificate]:
    found = session.scalars(select(Certificate).where(Certificate.id.in_(ids)))
    return sorted(found, key=lambda row: row.id, reverse=True)


def _report_conditions(filters: SearchFilters) -> list[ColumnElement[bool]]:
    """Select what a report counted, by the report's own expressions."""
    conditions: list[ColumnElement[bool]] = []
    if filters.as_of is not None:
        conditions.append(Certificate.issued_at <= filters.as_of)
    for dimension, value in filters.group.items():
        if not storable(value):
            raise SearchInvalid("the value of a group holds no NUL")
        if dimension is not Dimension.STATUS:
            conditions.append(reports.group_value(dimension) == value)
    if filters.standing is None:
        return conditions
    if filters.as_of is None:
        raise SearchInvalid("a standing is one at a time: give as_of")
    return conditions + _standing_conditions(filters.standing, filters.as_of)


def _standing_conditions(standing: Standing, as_of: datetime) -> list[ColumnElement[bool]]:
    """Select one standing. Revoked is final, so only a suspension has to be read in the history."""
    if standing is Standing.REVOKED:
        return [Certificate.revoked_at <= as_of]
    not_revoked = or_(Certificate.revoked_at.is_(None), Certificate.revoked_at > as_of)
    if standing is Standing.EXPIRED:
        return [not_revoked, Certificate.not_after < as_of]
    conditions = [not_revoked, Certificate.not_after >= as_of]
    if standing is Standing.SUSPENDED:
        conditions.append(Certificate.id.in_(reports.ever_suspended(as_of)))
    return [*conditions, reports.standing_of(as_of) == standing.value]


def _holder_conditions(filters: SearchFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for number in (filters.national_id, filters.device_serial):
        if number is not None and not storable(number):
            raise SearchInvalid("a number to look for holds no NUL")
    if filters.national_id is not None:
        holders = select(Subscriber.id).where(Subscriber.national_id == filters.national_id)
        conditions.append(Certificate.subscriber_id.in_(holders))
    if filters.device_serial is not None:
        serial = filters.device_serial
        printed = select(Device.id).where(
            or_(Device.serial_number == serial, Device.iccid == serial)
        )
        conditions.append(Certificate.device_id.in_(printed))
    return conditions


def _of_one_holder(filters: SearchFilters) -> bool:
    return any((filters.subscriber_id, filters.national_id, filters.device_serial))


def _few_without_the_name(filters: SearchFilters) -> bool:
    """Whether the other filters leave so few rows that a common name is sooner read in each."""
    in_force = filters.status in {None, CertificateStatus.ACTIVE}
    return _of_one_holder(filters) or (filters.under is not None and not in_force)


def _name_words(name: str) -> list[str]:
    if len(name) > _MAX_QUERY:
        raise SearchInvalid(f"a name to look for has at most {_MAX_QUERY} characters")
    words = fold(name).split()
    if not words:
        raise SearchInvalid("a name to look for has at least one letter or digit")
    return words


def _names(name: str) -> Select[str]:
    """Return the query for the names in which each of these words begins a word."""
    prefixes = " & ".join(f"{word}:*" for word in _name_words(name))
    simple: ColumnElement[str] = literal_column("'simple'")
    known = certificate_names.c.name
    vector = func.to_tsvector(simple, known)
    return select(known).where(
        vector.op("@@", is_comparison=True)(func.to_tsquery(simple, prefixes))
    )


def _name_looks_like(name: str) -> ColumnElement[bool]:
    """Match without the index, row by row."""
    padded = func.concat(" ", Certificate.search_name)
    return and_(*(padded.contains(f" {word}") for word in _name_words(name)))


def _encoded(identifier: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(identifier.bytes).rstrip(b"=").decode()


def _decoded(cursor: str) -> uuid.UUID:
    try:
        raw = base64.b64decode(cursor.encode() + b"==", altchars=b"-_", validate=True)
        return uuid.UUID(bytes=raw)
    except (ValueError, binascii.Error) as e:
        raise SearchInvalid("the cursor is not one of ours") from e
