"""Whose certificates an incident is about: how its target is checked, and found among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from ca import devices, organizations, posts, subscribers
from ca.errors import CertificateNotFound
from ca.errors_publication import IncidentInvalid
from ca.models import Certificate
from ca.models_people import Post
from ca.models_publication import IncidentTarget

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

MAX_LIST: Final = 10_000


def check(
    session: Session,
    target: IncidentTarget,
    target_id: uuid.UUID | None,
    listed: Sequence[uuid.UUID],
) -> None:
    """Raise IncidentInvalid, or the NotFound error of what is named."""
    is_list = target is IncidentTarget.LIST
    if is_list != (target_id is None) or is_list != bool(listed):
        raise IncidentInvalid(
            "a list names certificates, any other target names one id", reason="target"
        )
    if len(listed) > MAX_LIST:
        raise IncidentInvalid(f"a list has at most {MAX_LIST} certificates", reason="too_many")
    if target_id is None:
        known = select(func.count()).where(Certificate.id.in_(listed))
        if session.scalar(known) != len(set(listed)):
            raise CertificateNotFound("the list names a certificate that is not there")
        return
    look_up = {
        IncidentTarget.SUBSCRIBER: subscribers.get,
        IncidentTarget.DEVICE: devices.get,
        IncidentTarget.ORGANIZATION: organizations.get,
        IncidentTarget.POST: posts.get,
    }
    look_up[target](session, target_id)


def named(
    target: IncidentTarget, target_id: uuid.UUID | None, listed: Sequence[uuid.UUID]
) -> ColumnElement[bool]:
    """Return the condition on a certificate that a target means."""
    if target_id is None or target is IncidentTarget.LIST:
        return Certificate.id.in_(listed)
    if target is IncidentTarget.ORGANIZATION:
        return Certificate.organization_id.in_(organizations.subtree(target_id))
    if target is IncidentTarget.DEVICE:
        return Certificate.device_id == target_id
    if target is IncidentTarget.POST:
        return _of_post(target_id)
    return Certificate.subscriber_id == target_id


def _of_post(post_id: uuid.UUID) -> ColumnElement[bool]:
    """Match what the person got in that unit before the post ends, and no other post there needs.

    Another post there needs it that has the time of issue in it and goes on longer.
    """
    other = aliased(Post)
    issued = func.coalesce(Certificate.issued_at, Certificate.not_before)
    needed_on = (
        select(other.id)
        .where(
            other.id != Post.id,
            other.subscriber_id == Post.subscriber_id,
            other.organization_id == Post.organization_id,
            other.began_at <= issued,
            or_(other.ended_at.is_(None), other.ended_at > Post.ended_at),
        )
        .correlate(Post, Certificate)
    )
    of_it = select(Post.id).where(
        Post.id == post_id,
        Post.subscriber_id == Certificate.subscriber_id,
        Post.organization_id == Certificate.organization_id,
        or_(Post.ended_at.is_(None), issued < Post.ended_at),
        ~needed_on.exists(),
    )
    return of_it.correlate(Certificate).exists()
