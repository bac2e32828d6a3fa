"""Posts over time, delegations, and what units were called before."""

import uuid
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from sqlalchemy.orm import Session

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, Paged, decode_id, page
from api.schemas.organizations import OrganizationOut
from api.schemas.people import (
    DelegationIn,
    DelegationOut,
    FormerNameOut,
    PostEnd,
    PostIn,
    PostOut,
)
from ca import delegations, organizations, post_ends, posts, subscribers
from ca.post_ends import Choices

router = APIRouter(tags=["people and units over time"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
NOTICE: Final = timedelta(days=1)


@router.get("/subscribers/{subscriber_id}/posts", responses=problems(404))
def list_posts(call: Reader, paging: Paged, subscriber_id: uuid.UUID) -> Page[PostOut]:
    """List the posts of a person, the latest first."""
    with call.transaction() as session:
        person = subscribers.get(session, subscriber_id)
        call.require(session, Action.REGISTRY_READ, organization_id=person.organization_id)
        rows = posts.history(session, subscriber_id)
        planned = post_ends.planned(session, [row.id for row in rows])
        return paging.page(
            rows, show=lambda row: PostOut.of(row, planned), key=lambda row: str(row.id)
        )


@router.post("/subscribers/{subscriber_id}/posts", status_code=201, responses=problems(404))
def appoint(call: Writer, subscriber_id: uuid.UUID, body: PostIn) -> PostOut:
    """Give a person a post; the present ones end when it begins, unless they are kept.

    Where an end lies ahead, the certificates of that post are planned to end with it; with less
    than a day's notice only for callers who may revoke.
    """
    with call.transaction() as session:
        person = subscribers.get(session, subscriber_id)
        for where in (person.organization_id, body.organization_id):
            call.require(session, Action.REGISTRY_WRITE, organization_id=where)
        if body.revoke_certificates:
            for end in (body.began_at, body.ended_at):
                _require_notice(call, session, end, person.organization_id)
        choices = Choices(revokes=body.revoke_certificates, keeps_others=body.keeps_others)
        row = post_ends.appoint(
            session,
            subscriber_id,
            details=body.details(),
            at=call.at,
            actor=call.identity,
            choices=choices,
        )
        return PostOut.of(row, post_ends.planned(session, [row.id]))


@router.post("/posts/{post_id}/end", responses=problems(404))
def end_post(call: Writer, post_id: uuid.UUID, body: PostEnd) -> PostOut:
    """Say when a post ends; if that lies ahead, its certificates are planned to end with it.

    `incident_id` names the plan, which may be called off; saying another day plans anew. With less
    than a day's notice only callers who may revoke plan anything.
    """
    with call.transaction() as session:
        found = posts.get(session, post_id)
        call.require(session, Action.REGISTRY_WRITE, organization_id=found.organization_id)
        if body.revoke_certificates:
            _require_notice(call, session, body.ended_at, found.organization_id)
        row = post_ends.end(
            session,
            post_id,
            ended_at=body.ended_at,
            at=call.at,
            actor=call.identity,
            choices=Choices(
                revokes=body.revoke_certificates, document_reference=body.document_reference
            ),
        )
        return PostOut.of(row, post_ends.planned(session, [row.id]))


def _require_notice(
    call: Call, session: Session, end: datetime | None, organization_id: uuid.UUID
) -> None:
    """Whoever plans a revocation for so soon that nobody could call it off must be a revoker."""
    if end is not None and call.at < end < call.at + NOTICE:
        call.require(session, Action.CERTIFICATE_REVOKE, organization_id=organization_id)


@router.post("/delegations", status_code=201, responses=problems(404))
def give(call: Writer, body: DelegationIn) -> DelegationOut:
    """Record that somebody may sign in another's place (TUQ., TL., KT., TM.)."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=body.organization_id)
        row = delegations.give(session, details=body.details(), at=call.at, actor=call.identity)
        return DelegationOut.of(row)


@router.get("/delegations", responses=problems())
def list_delegations(
    call: Reader,
    taker_id: uuid.UUID | None = None,
    at: Annotated[
        AwareDatetime | None, Query(description="With `taker_id`: in force at that time")
    ] = None,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[DelegationOut]:
    """List delegations, newest first; or those that a person may use at a time."""
    with call.transaction() as session:
        if taker_id is not None:
            person = subscribers.get(session, taker_id)
            call.require(session, Action.REGISTRY_READ, organization_id=person.organization_id)
            rows = delegations.in_force(session, taker_id=taker_id, at=at or call.at)
            return Page(items=[DelegationOut.of(row) for row in rows])
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = delegations.listing(session, under=scope, limit=limit + 1, before=decode_id(cursor))
        return page(rows, limit=limit, show=DelegationOut.of, key=lambda row: str(row.id))


@router.post("/delegations/{delegation_id}/withdraw", responses=problems(404))
def withdraw(call: Writer, delegation_id: uuid.UUID) -> DelegationOut:
    """End a delegation at once."""
    with call.transaction() as session:
        found = delegations.get(session, delegation_id)
        call.require(session, Action.REGISTRY_WRITE, organization_id=found.organization_id)
        row = delegations.withdraw(session, delegation_id, at=call.at, actor=call.identity)
        return DelegationOut.of(row)


@router.get("/organizations-search", responses=problems())
def search(
    call: Reader,
    name: Annotated[str, Query(min_length=1, max_length=200)],
    under: uuid.UUID | None = None,
    valid_at: AwareDatetime | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[OrganizationOut]:
    """Find units by words of their present or former names, also those that existed at a time."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = organizations.search(session, name=name, under=scope, valid_at=valid_at, limit=limit)
        return Page(items=[OrganizationOut.of(row) for row in rows])


@router.get("/organizations/{organization_id}/names", responses=problems(404))
def former_names(call: Reader, organization_id: uuid.UUID) -> Page[FormerNameOut]:
    """List what a unit was called before."""
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_READ, organization_id=organization_id)
        rows = organizations.former_names(session, organization_id)
        return Page(items=[FormerNameOut.of(row) for row in rows])
