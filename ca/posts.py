"""Posts of persons over time: who was what, where, from when to when, by which decision.

A subscriber's row says the present post; this is its history and its future. A change of post is
recorded and does not touch certificates: `ca.post_ends` plans what ends with a post.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from ca import organizations, periods, subscribers
from ca.errors import SubjectInvalid
from ca.errors_registry import PostInvalid, PostNotFound
from ca.models import Subscriber, SubscriberKind
from ca.models_people import Post
from ca.names import MAX_PERSON_PART, clean
from db import audit
from db.base import uuid7

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class PostDetails:
    """A post: its title, where, from when, and the decision that gave it."""

    organization_id: uuid.UUID
    title: str
    began_at: datetime
    ended_at: datetime | None = None
    document_reference: str | None = None


def appoint(
    session: Session,
    subscriber_id: uuid.UUID,
    *,
    details: PostDetails,
    at: datetime,
    actor: str,
    keeps_others: bool = False,
) -> Post:
    """Give a person a post; the open ones end when it begins, unless they are kept.

    A post that has begun and not ended becomes the subscriber's present one. Raises PostInvalid,
    SubscriberNotFound or OrganizationNotFound.
    """
    person = _locked_person(session, subscriber_id)
    organization = organizations.get(session, details.organization_id)
    _check(details)
    if organization.active_to is not None and organization.active_to <= details.began_at:
        raise PostInvalid(
            f"{organization.code} no longer exists when the post begins", reason="closed"
        )
    if not keeps_others:
        _end_others(session, subscriber_id, details.began_at, at=at, actor=actor)
    made = Post(
        id=uuid7(),
        subscriber_id=subscriber_id,
        organization_id=details.organization_id,
        title=_title(details.title),
        began_at=details.began_at,
        ended_at=details.ended_at,
        document_reference=details.document_reference,
        recorded_at=at,
        recorded_by=actor,
    )
    session.add(made)
    session.flush()
    if details.began_at <= at and (details.ended_at is None or details.ended_at > at):
        person.organization_id, person.post = made.organization_id, made.title
        session.flush()
    _record(session, made, action="post.appoint", at=at, actor=actor)
    return made


def end(
    session: Session, post_id: uuid.UUID, *, ended_at: datetime, at: datetime, actor: str
) -> Post:
    """Say when a post ends: transfer, retirement, end of term; also in advance."""
    found = session.get(Post, post_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise PostNotFound(f"no post {post_id}")
    if ended_at <= found.began_at:
        raise PostInvalid("a post ends after it began", reason="period")
    _end(session, found, ended_at, at=at, actor=actor)
    person = _locked_person(session, found.subscriber_id)
    if ended_at <= at and person.post == found.title:
        remaining = holding(session, found.subscriber_id, at=at)
        person.post = remaining[0].title if remaining else None
        session.flush()
    return found


def get(session: Session, post_id: uuid.UUID) -> Post:
    """Return the post of that id."""
    found = session.get(Post, post_id)
    if found is None:
        raise PostNotFound(f"no post {post_id}")
    return found


def history(session: Session, subscriber_id: uuid.UUID) -> list[Post]:
    """Return all posts of a person, the latest first."""
    query = select(Post).where(Post.subscriber_id == subscriber_id)
    return list(session.scalars(query.order_by(Post.began_at.desc(), Post.id.desc())))


def holding(
    session: Session,
    subscriber_id: uuid.UUID,
    *,
    at: datetime,
    organization_id: uuid.UUID | None = None,
) -> list[Post]:
    """Return the posts that a person has at a time, the latest first."""
    query = select(Post).where(Post.subscriber_id == subscriber_id, periods.running_at(Post, at))
    if organization_id is not None:
        query = query.where(Post.organization_id == organization_id)
    return list(session.scalars(query.order_by(Post.began_at.desc(), Post.id.desc())))


def _open(session: Session, subscriber_id: uuid.UUID, moment: datetime) -> list[Post]:
    query = select(Post).where(
        Post.subscriber_id == subscriber_id,
        or_(Post.ended_at.is_(None), Post.ended_at > moment),
    )
    return list(session.scalars(query.with_for_update()))


def _end_others(
    session: Session, subscriber_id: uuid.UUID, moment: datetime, *, at: datetime, actor: str
) -> None:
    for one in _open(session, subscriber_id, moment):
        if one.began_at >= moment:
            raise PostInvalid(
                "another post begins at that time or later; end it first", reason="another_begins"
            )
        _end(session, one, moment, at=at, actor=actor)


def _end(session: Session, post: Post, ended_at: datetime, *, at: datetime, actor: str) -> None:
    post.ended_at = ended_at
    session.flush()
    _record(session, post, action="post.end", at=at, actor=actor)


def _locked_person(session: Session, subscriber_id: uuid.UUID) -> Subscriber:
    subscribers.get(session, subscriber_id)
    person = session.get_one(
        Subscriber, subscriber_id, with_for_update=True, populate_existing=True
    )
    if person.kind is not SubscriberKind.PERSON:
        raise PostInvalid("only a person has posts", reason="not_a_person")
    return person


def _check(details: PostDetails) -> None:
    if details.ended_at is not None and details.ended_at <= details.began_at:
        raise PostInvalid("a post ends after it began", reason="period")
    if not periods.reference_fits(details.document_reference):
        raise PostInvalid(
            f"a document's reference has at most {periods.MAX_REFERENCE} characters",
            reason="document_reference",
        )


def _title(title: str) -> str:
    try:
        return clean(title, attribute="title", maximum=MAX_PERSON_PART)
    except SubjectInvalid as e:
        raise PostInvalid(str(e), reason="title") from e


def _record(session: Session, post: Post, *, action: str, at: datetime, actor: str) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="subscriber",
        object_id=str(post.subscriber_id),
        after={
            "post_id": str(post.id),
            "organization_id": str(post.organization_id),
            "title": post.title,
            "began_at": post.began_at.isoformat(),
            "ended_at": post.ended_at.isoformat() if post.ended_at else None,
            "document_reference": post.document_reference,
        },
    )
