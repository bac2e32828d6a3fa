"""The end of a post ends the certificates that were issued for it, on the day that it comes.

Who records that somebody retires, is transferred, or has a term that ends, plans an incident with
it (`ca.incidents`): it finds the certificates when its day comes, also those issued by then. When
the day is changed, the plan is called off and made anew. An end that has passed already revokes
nothing by itself; that is decided by an incident at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ca import incidents, posts
from ca.incidents import Decision
from ca.models_publication import Incident, IncidentState, IncidentTarget
from ca.revocation_reasons import RevocationReason

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from ca.models_people import Post
    from ca.posts import PostDetails

REASON: Final = RevocationReason.AFFILIATION_CHANGED


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is said beside the post itself.

    `revokes`: its certificates end with it. `keeps_others`: the posts there were go on beside a new
    one. `document_reference` is of the decision that ends it.
    """

    revokes: bool = True
    keeps_others: bool = False
    document_reference: str | None = None


AS_USUAL: Final = Choices()


def appoint(
    session: Session,
    subscriber_id: uuid.UUID,
    *,
    details: PostDetails,
    at: datetime,
    actor: str,
    choices: Choices = AS_USUAL,
) -> Post:
    """Give a person a post as `posts.appoint` does, and plan what every end known by it revokes."""
    before = _ends(session, subscriber_id)
    made = posts.appoint(
        session,
        subscriber_id,
        details=details,
        at=at,
        actor=actor,
        keeps_others=choices.keeps_others,
    )
    for post in posts.history(session, subscriber_id):
        if post.ended_at != before.get(post.id):
            _plan(session, post, choices, at=at, actor=actor)
    return made


def end(
    session: Session,
    post_id: uuid.UUID,
    *,
    ended_at: datetime,
    at: datetime,
    actor: str,
    choices: Choices = AS_USUAL,
) -> Post:
    """Say when a post ends as `posts.end` does, and plan what that revokes."""
    post = posts.end(session, post_id, ended_at=ended_at, at=at, actor=actor)
    _plan(session, post, choices, at=at, actor=actor)
    return post


def planned(session: Session, post_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Incident]:
    """Return what is planned for the ends of these posts, by post."""
    query = select(Incident).where(
        Incident.target == IncidentTarget.POST,
        Incident.target_id.in_(post_ids),
        Incident.state == IncidentState.PLANNED,
    )
    return {row.target_id: row for row in session.scalars(query) if row.target_id is not None}


def _ends(session: Session, subscriber_id: uuid.UUID) -> dict[uuid.UUID, datetime | None]:
    return {post.id: post.ended_at for post in posts.history(session, subscriber_id)}


def _plan(session: Session, post: Post, choices: Choices, *, at: datetime, actor: str) -> None:
    there = planned(session, [post.id]).get(post.id)
    comes = post.ended_at is not None and post.ended_at > at
    if there is not None:
        if comes and choices.revokes and there.effective_at == post.ended_at:
            return
        incidents.cancel(session, there.id, at=at, actor=actor)
    if not (comes and choices.revokes):
        return
    decision = Decision(
        target=IncidentTarget.POST,
        target_id=post.id,
        reason=REASON,
        note=f"Thôi giữ chức vụ {post.title}",
        document_reference=choices.document_reference,
        effective_at=post.ended_at,
    )
    incidents.decide(session, decision, at=at, actor=actor)
