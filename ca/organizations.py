"""The tree of organisations: province, department, commune, unit; the levels are data.

Not for permissions: who may act on which subtree is decided by the door.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from ca.errors import (
    OrganizationCodeTaken,
    OrganizationInvalid,
    OrganizationNotFound,
    SearchInvalid,
)
from ca.models import Organization
from ca.models_people import FormerName
from ca.names import MAX_ORGANIZATION, clean, fold, storable
from db.audited import Audited
from db.base import uuid7

MAX_DEPTH: Final = 12
"""Levels below a root; real trees have four, and the number bounds what a recursion may cost."""

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,63}")
"""Such as `000.00.14.H10` (agency identification codes); fits PrintableString."""

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.\-]{0,31}")
_LEVEL_LENGTH: Final = 40


@dataclass(frozen=True)
class OrganizationDetails:
    """What is known of a unit; `identifier` is its tax code, without a scheme before it."""

    code: str
    name: str
    level: str
    parent_id: uuid.UUID | None = None
    identifier: str | None = None


def create(
    session: Session, *, details: OrganizationDetails, at: datetime, actor: str
) -> Organization:
    """Add a unit to the tree, in force from `at`.

    Raises OrganizationInvalid, OrganizationNotFound (the parent) or OrganizationCodeTaken.
    """
    _check(details)
    name = clean(details.name, attribute="organization", maximum=MAX_ORGANIZATION)
    if details.parent_id is not None:
        parent = get(session, details.parent_id)
        if parent.active_to is not None and parent.active_to <= at:
            raise OrganizationInvalid(f"the parent {parent.code} is closed", reason="parent_closed")
        if len(ancestors(session, details.parent_id)) >= MAX_DEPTH:
            raise OrganizationInvalid(
                f"the tree is at most {MAX_DEPTH} levels deep", reason="too_deep"
            )
    made = session.scalars(
        insert(Organization)
        .values(
            id=uuid7(),
            parent_id=details.parent_id,
            code=details.code,
            name=name,
            search_name=fold(f"{name} {details.code}"),
            level=details.level,
            identifier=details.identifier,
            active_from=at,
        )
        .on_conflict_do_nothing(index_elements=[Organization.code])
        .returning(Organization)
    ).one_or_none()
    if made is None:
        raise OrganizationCodeTaken(f"the code {details.code} belongs to another organisation")
    _UNITS.record(session, made, "organization.create", at=at, actor=actor)
    return made


def rename(
    session: Session, organization_id: uuid.UUID, *, name: str, at: datetime, actor: str
) -> Organization:
    """Give a unit a new name; certificates keep the name they were issued with.

    The old name stays findable, with the time until which it was used.
    """
    organization = _locked(session, organization_id)
    before = _UNITS.facts(organization)
    session.add(
        FormerName(
            id=uuid7(),
            organization_id=organization_id,
            name=organization.name,
            search_name=fold(organization.name),
            used_until=at,
        )
    )
    organization.name = clean(name, attribute="organization", maximum=MAX_ORGANIZATION)
    organization.search_name = fold(f"{organization.name} {organization.code}")
    session.flush()
    _UNITS.record(session, organization, "organization.rename", at=at, actor=actor, before=before)
    return organization


def close(
    session: Session, organization_id: uuid.UUID, *, at: datetime, actor: str
) -> Organization:
    """End a unit at `at`; it stays in the tree for its certificates and reports."""
    organization = _locked(session, organization_id)
    if organization.active_to is not None:
        raise OrganizationInvalid(f"{organization.code} is closed already", reason="closed")
    child = aliased(Organization)
    open_children = session.scalar(
        select(func.count())
        .select_from(child)
        .where(child.parent_id == organization_id, child.active_to.is_(None))
    )
    if open_children:
        raise OrganizationInvalid(
            f"{organization.code} has {open_children} open units below it", reason="open_children"
        )
    before = _UNITS.facts(organization)
    organization.active_to = at
    session.flush()
    _UNITS.record(session, organization, "organization.close", at=at, actor=actor, before=before)
    return organization


def get(session: Session, organization_id: uuid.UUID) -> Organization:
    """Return the organisation of that id."""
    found = session.get(Organization, organization_id)
    if found is None:
        raise OrganizationNotFound(f"no organisation {organization_id}")
    return found


def by_code(session: Session, code: str) -> Organization:
    """Return the organisation of that code."""
    if not _CODE.fullmatch(code):
        raise OrganizationNotFound("an organisation's code is letters, digits, dots and dashes")
    found = session.scalars(select(Organization).where(Organization.code == code)).one_or_none()
    if found is None:
        raise OrganizationNotFound(f"no organisation with code {code}")
    return found


def listing(
    session: Session, *, under: uuid.UUID | None, limit: int, after: str | None
) -> list[Organization]:
    """Return up to `limit` units by code, those after the code `after`, within a subtree or all."""
    query = select(Organization).order_by(Organization.code).limit(limit)
    if after is not None:
        if not _CODE.fullmatch(after):
            raise SearchInvalid("the cursor is not an organisation's code")
        query = query.where(Organization.code > after)
    if under is not None:
        query = query.where(Organization.id.in_(subtree(under)))
    return list(session.scalars(query))


def former_names(session: Session, organization_id: uuid.UUID) -> list[FormerName]:
    """Return what a unit was called before, the latest name first."""
    query = select(FormerName).where(FormerName.organization_id == organization_id)
    return list(session.scalars(query.order_by(FormerName.used_until.desc(), FormerName.id.desc())))


def search(
    session: Session,
    *,
    name: str,
    under: uuid.UUID | None = None,
    valid_at: datetime | None = None,
    limit: int,
) -> list[Organization]:
    """Find units by words of their present or former names; diacritics are not needed.

    With `valid_at` only those that existed at that time.
    """
    former = select(FormerName.organization_id)
    query = select(Organization).order_by(Organization.code).limit(limit)
    for word in fold(name).split():
        begins = f" {word}"
        present = func.concat(" ", Organization.search_name).contains(begins)
        past = former.where(func.concat(" ", FormerName.search_name).contains(begins))
        query = query.where(or_(present, Organization.id.in_(past)))
    if under is not None:
        query = query.where(Organization.id.in_(subtree(under)))
    if valid_at is not None:
        ended = or_(Organization.active_to.is_(None), Organization.active_to > valid_at)
        query = query.where(Organization.active_from <= valid_at, ended)
    return list(session.scalars(query))


def subtree(organization_id: uuid.UUID) -> Select[uuid.UUID]:
    """Return the query for the ids of a unit and of everything below it, for use with `in_`."""
    tree = (
        select(Organization.id)
        .where(Organization.id == organization_id)
        .cte("subtree", recursive=True)
    )
    child = aliased(Organization)
    tree = tree.union(select(child.id).where(child.parent_id == tree.c.id))
    return select(tree.c.id)


def ancestors(session: Session, organization_id: uuid.UUID) -> list[Organization]:
    """Return the unit and everything above it, from the unit up to its root."""
    start = select(Organization.id, Organization.parent_id)
    up = start.where(Organization.id == organization_id).cte("up", recursive=True)
    up = up.union(
        select(Organization.id, Organization.parent_id).where(Organization.id == up.c.parent_id)
    )
    rows = session.scalars(select(Organization).where(Organization.id.in_(select(up.c.id))))
    by_id = {row.id: row for row in rows}
    path: list[Organization] = []
    current: uuid.UUID | None = organization_id
    while current is not None and current in by_id:
        path.append(by_id.pop(current))
        current = path[-1].parent_id
    return path


def _check(details: OrganizationDetails) -> None:
    if not _CODE.fullmatch(details.code):
        raise OrganizationInvalid(
            f"the code {details.code!r} is not letters, digits, dots, dashes", reason="code"
        )
    if details.identifier is not None and not _IDENTIFIER.fullmatch(details.identifier):
        raise OrganizationInvalid(
            f"the identifier {details.identifier!r} is not well-formed", reason="identifier"
        )
    if not 0 < len(details.level.strip()) <= _LEVEL_LENGTH or not storable(details.level):
        raise OrganizationInvalid("a unit has a level, of at most 40 characters", reason="level")


def _locked(session: Session, organization_id: uuid.UUID) -> Organization:
    found = session.get(Organization, organization_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise OrganizationNotFound(f"no organisation {organization_id}")
    return found


def _facts(organization: Organization) -> dict[str, object]:
    return {
        "code": organization.code,
        "name": organization.name,
        "level": organization.level,
        "parent_id": str(organization.parent_id) if organization.parent_id else None,
        "identifier": organization.identifier,
        "active_to": organization.active_to.isoformat() if organization.active_to else None,
    }


_UNITS: Final = Audited("organization", _facts)
