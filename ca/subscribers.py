"""Subscribers: persons with a post in an organisation, and organisations as legal persons.

The link between a person and a serial number is kept here and not in the certificate: a national
id never leaves the registry.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ca import organizations
from ca.errors import OrganizationInvalid, SubscriberInvalid, SubscriberNotFound, SubscriberTaken
from ca.models import Subscriber, SubscriberKind
from ca.models_people import Post
from ca.names import MAX_COMMON_NAME, MAX_PERSON_PART, clean, fold
from db import audit
from db.base import uuid7

_NATIONAL_ID: Final = re.compile(r"[0-9]{9}|[0-9]{12}")
"""Nine digits of the old identity card, twelve of the citizen identity card."""

_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f]{1,64}@[A-Za-z0-9.\-]{1,255}")


@dataclass(frozen=True)
class SubscriberDetails:
    """What is known of a subscriber.

    A person has `given_name` and `surname`; without them they are taken from `full_name` in
    Vietnamese order (surname first). An organisation has neither, nor a national id.
    """

    kind: SubscriberKind
    organization_id: uuid.UUID
    full_name: str
    given_name: str | None = None
    surname: str | None = None
    national_id: str | None = None
    email: str | None = None
    post: str | None = None


def create(session: Session, *, details: SubscriberDetails, at: datetime, actor: str) -> Subscriber:
    """Add a subscriber; raise SubscriberInvalid, SubscriberTaken or OrganizationNotFound."""
    organization = organizations.get(session, details.organization_id)
    if organization.active_to is not None and organization.active_to <= at:
        raise OrganizationInvalid(f"{organization.code} is closed", reason="closed")
    values = checked_values(details)
    made = session.scalars(
        insert(Subscriber)
        .values(id=uuid7(), created_at=at, **values)
        .on_conflict_do_nothing(index_elements=[Subscriber.national_id])
        .returning(Subscriber)
    ).one_or_none()
    if made is None:
        raise SubscriberTaken("another subscriber has this national id")
    _begin_posts(session, [(made.id, details)], at=at, actor=actor)
    _record_creation(session, made.id, details, at=at, actor=actor)
    return made


def create_many(
    session: Session,
    *,
    rows: Sequence[tuple[uuid.UUID, SubscriberDetails]],
    at: datetime,
    actor: str,
) -> None:
    """Add subscribers under ids of the caller's making, with one statement for all.

    The caller has looked for them before; a national id that was taken meanwhile is an
    IntegrityError of the database. Raises SubscriberInvalid or SubjectInvalid.
    """
    if not rows:
        return
    values = [{"id": id_, "created_at": at, **checked_values(details)} for id_, details in rows]
    session.execute(insert(Subscriber), values)
    _begin_posts(session, rows, at=at, actor=actor)
    for id_, details in rows:
        _record_creation(session, id_, details, at=at, actor=actor)


def get(session: Session, subscriber_id: uuid.UUID) -> Subscriber:
    """Return the subscriber of that id."""
    found = session.get(Subscriber, subscriber_id)
    if found is None:
        raise SubscriberNotFound(f"no subscriber {subscriber_id}")
    return found


def search(
    session: Session,
    *,
    name: str | None = None,
    under: uuid.UUID | None = None,
    limit: int,
    after: uuid.UUID | None = None,
) -> list[Subscriber]:
    """Return up to `limit` subscribers in the order they were added, after the id `after`.

    `name` matches when every folded word of it begins a word of the subscriber's name.
    """
    query = select(Subscriber).order_by(Subscriber.id).limit(limit)
    if after is not None:
        query = query.where(Subscriber.id > after)
    if under is not None:
        query = query.where(Subscriber.organization_id.in_(organizations.subtree(under)))
    for word in fold(name).split() if name else ():
        query = query.where(func.concat(" ", Subscriber.search_name).contains(f" {word}"))
    return list(session.scalars(query))


def _begin_posts(
    session: Session,
    rows: Sequence[tuple[uuid.UUID, SubscriberDetails]],
    *,
    at: datetime,
    actor: str,
) -> None:
    """Begin the history of the posts that new persons come with."""
    found = [
        {
            "id": uuid7(),
            "subscriber_id": id_,
            "organization_id": details.organization_id,
            "title": " ".join(details.post.split()),
            "began_at": at,
            "recorded_at": at,
            "recorded_by": actor,
        }
        for id_, details in rows
        if details.post and details.kind is SubscriberKind.PERSON
    ]
    if found:
        session.execute(insert(Post), found)


def _record_creation(
    session: Session, id_: uuid.UUID, details: SubscriberDetails, *, at: datetime, actor: str
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action="subscriber.create",
        object_type="subscriber",
        object_id=str(id_),
        after={
            "kind": details.kind.value,
            "full_name": details.full_name,
            "organization_id": str(details.organization_id),
            "post": details.post,
        },
    )


def checked_values(details: SubscriberDetails) -> dict[str, object]:
    """Return the columns of a subscriber; raise SubscriberInvalid or SubjectInvalid."""
    full_name = clean(details.full_name, attribute="common_name", maximum=MAX_COMMON_NAME)
    given_name, surname = _name_parts(details, full_name)
    if details.national_id is not None and not _NATIONAL_ID.fullmatch(details.national_id):
        raise SubscriberInvalid("a national id has 9 or 12 digits", reason="national_id")
    if details.email is not None and not _EMAIL.fullmatch(details.email):
        raise SubscriberInvalid("the e-mail address is not well-formed", reason="email")
    post = details.post
    return {
        "kind": details.kind,
        "organization_id": details.organization_id,
        "full_name": full_name,
        "search_name": fold(full_name),
        "given_name": given_name,
        "surname": surname,
        "national_id": details.national_id,
        "email": details.email,
        "post": clean(post, attribute="title", maximum=MAX_PERSON_PART) if post else None,
    }


def _name_parts(details: SubscriberDetails, full_name: str) -> tuple[str | None, str | None]:
    given_name, surname = details.given_name, details.surname
    if details.kind is SubscriberKind.ORGANIZATION:
        if given_name or surname or details.national_id:
            raise SubscriberInvalid(
                "an organisation has no personal name and no national id", reason="not_a_person"
            )
        return None, None
    if not given_name and not surname:
        surname, _, given_name = full_name.partition(" ")
    if not given_name or not surname:
        raise SubscriberInvalid("a person has a given name and a surname", reason="personal_name")
    return (
        clean(given_name, attribute="given_name", maximum=MAX_PERSON_PART),
        clean(surname, attribute="surname", maximum=MAX_PERSON_PART),
    )
