"""`/notice-channels` and the calendar feed: who is told before certificates end."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from api.auth import Call, needs
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.lists import Page, Paged, Schema
from ca import certificate_search, notices
from ca.certificate_search import SearchFilters
from ca.models import Certificate, CertificateStatus
from ca.models_notices import ChannelKind, NoticeChannel
from ca.notice_transports import VIETNAM

router = APIRouter(tags=["notices"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Writer = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
AHEAD = timedelta(days=400)
_FOLD = 73
"""Octets of a line before it is folded (RFC 5545 3.1), with room for the line's end."""


class ChannelIn(Schema):
    """Where the notices of a part of the tree go, beside the holders themselves."""

    organization_id: uuid.UUID
    kind: ChannelKind
    target: str


class ChannelOut(BaseModel):
    """A channel."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    organization_id: uuid.UUID
    kind: ChannelKind
    target: str
    created_at: datetime
    created_by: str


class ChannelMade(ChannelOut):
    """A channel just added; to a webhook, with the secret that its receiver checks messages by."""

    secret: str | None = None


@router.get("/notice-channels", responses=problems())
def listing(call: Reader, paging: Paged, under: uuid.UUID | None = None) -> Page[ChannelOut]:
    """List the channels."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = notices.channels(session, under=scope)
        return paging.page(rows, show=ChannelOut.model_validate, key=lambda row: str(row.id))


@router.post("/notice-channels", status_code=201, responses=problems(404))
def add(call: Writer, body: ChannelIn) -> ChannelMade:
    """Tell an address too when certificates of a part of the tree end soon.

    Messages to a webhook are signed by the Standard Webhooks specification with the `secret` of the
    answer; removed and added again, the channel has another.
    """
    with call.transaction() as session:
        call.require(session, Action.REGISTRY_WRITE, organization_id=body.organization_id)
        row = notices.add_channel(
            session,
            organization_id=body.organization_id,
            kind=body.kind,
            target=body.target,
            at=call.at,
            actor=call.identity,
        )
        made = ChannelMade.model_validate(row)
        if row.kind is ChannelKind.WEBHOOK:
            made.secret = call.wiring.webhook_secrets.of_notices(row.id).reveal_text()
        return made


@router.delete("/notice-channels/{channel_id}", status_code=204, responses=problems(404))
def remove(call: Writer, channel_id: uuid.UUID) -> Response:
    """Tell an address no more."""
    with call.transaction() as session:
        row = session.get(NoticeChannel, channel_id)
        if row is not None:
            call.require(session, Action.REGISTRY_WRITE, organization_id=row.organization_id)
            notices.remove_channel(session, row, at=call.at, actor=call.identity)
    return Response(status_code=204)


@router.get(
    "/certificates.ics",
    response_class=Response,
    responses={**problems(), 200: {"content": {"text/calendar": {}}}},
)
def feed(call: Reader, under: uuid.UUID | None = None) -> Response:
    """Get the ends of certificates in force as a calendar (RFC 5545), up to 500 of them."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        filters = SearchFilters(
            status=CertificateStatus.ACTIVE,
            under=scope,
            expires_from=call.at,
            expires_before=call.at + AHEAD,
        )
        found = certificate_search.search(
            session, filters=filters, limit=certificate_search.MAX_PAGE
        )
    return Response(calendar(found.items, at=call.at), media_type="text/calendar; charset=utf-8")


def calendar(found: tuple[Certificate, ...], *, at: datetime) -> str:
    """Return a calendar with one all-day event for each certificate's last day in Vietnam."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//An Tin//certificates//VI"]
    for one in sorted(found, key=lambda row: row.not_after):
        day = one.not_after.astimezone(VIETNAM)
        lines += [
            "BEGIN:VEVENT",
            f"UID:{one.id}@antin",
            f"DTSTAMP:{at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}",
            f"SUMMARY:{_escaped(f'Hết hạn chứng thư số: {one.common_name}')}",
            f"DESCRIPTION:{_escaped(f'Số serial {one.serial_number}')}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(_folded(line) + "\r\n" for line in lines)


def _escaped(text: str) -> str:
    for character in ("\\", ";", ","):
        text = text.replace(character, f"\\{character}")
    return text


def _folded(line: str) -> str:
    """Break a long line between characters, never inside one."""
    pieces, size = [""], 0
    for character in line:
        octets = len(character.encode())
        if size + octets > _FOLD:
            pieces.append(" ")
            size = 1
        pieces[-1] += character
        size += octets
    return "\r\n".join(pieces)
