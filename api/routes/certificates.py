"""`/certificates`: looking them up, and ending or pausing their life."""

import uuid
from datetime import datetime
from functools import partial
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, PlainTextResponse
from sqlalchemy.orm import Session

from api.auth import Call, needs
from api.idempotency import Answer, Attempt
from api.permissions import Action, list_scope
from api.responses import problems
from api.schemas.certificate_query import CertificateQuery
from api.schemas.certificates import CertificateOut, RevokeIn, pem
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page
from ca import certificate_search, registry, revoke
from ca.errors import CertificateNotFound
from ca.models import Certificate
from hsm.providers import KeyStore

router = APIRouter(prefix="/certificates", tags=["certificates"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Revoker = Annotated[Call, Depends(needs(Action.CERTIFICATE_REVOKE, keyed=True))]


@router.get("", responses=problems())
def search(
    call: Reader,
    query: Annotated[CertificateQuery, Depends()],
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[CertificateOut]:
    """Find certificates, newest first; names need no diacritics."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=query.under)
        found = certificate_search.search(
            session, filters=query.filters(under=scope, at=call.at), limit=limit, cursor=cursor
        )
        items = [CertificateOut.of(row, at=call.at) for row in found.items]
        return Page(items=items, next_cursor=found.next_cursor)


@router.get("/{certificate_id}.pem", response_class=PlainTextResponse, responses=problems(404))
def get_pem(call: Reader, certificate_id: str) -> PlainTextResponse:
    """Give a certificate as PEM."""
    with call.transaction() as session:
        row = _readable(call, session, certificate_id)
        if row.der is None:
            raise CertificateNotFound("this certificate was never signed")
        return PlainTextResponse(pem(row.der), media_type="application/x-pem-file")


@router.get("/{certificate_id}", responses=problems(404))
def get(call: Reader, certificate_id: str) -> CertificateOut:
    """Show a certificate, by its id or as `serial:<hex>`."""
    with call.transaction() as session:
        row = _readable(call, session, certificate_id)
        return CertificateOut.of(row, at=call.at, with_pem=True)


@router.post(
    "/{certificate_id}/revoke", responses=problems(404, 409, 503), response_model=CertificateOut
)
def revoke_(call: Revoker, certificate_id: str, body: RevokeIn | None = None) -> JSONResponse:
    """Revoke a certificate for ever; OCSP says so from the moment of the answer."""
    asked = body or RevokeIn()
    change = partial(revoke.revoke, reason=asked.reason, invalidity_at=asked.invalidity_at)
    said = asked.model_dump(mode="json")
    return _changed(call, change, "certificate.revoke", certificate_id, said)


@router.post(
    "/{certificate_id}/suspend", responses=problems(404, 409, 503), response_model=CertificateOut
)
def suspend(call: Revoker, certificate_id: str) -> JSONResponse:
    """Pause a certificate until it is restored or revoked."""
    return _changed(call, revoke.suspend, "certificate.suspend", certificate_id)


@router.post(
    "/{certificate_id}/restore", responses=problems(404, 409, 503), response_model=CertificateOut
)
def restore(call: Revoker, certificate_id: str) -> JSONResponse:
    """Bring a suspended certificate back."""
    return _changed(call, revoke.restore, "certificate.restore", certificate_id)


def _readable(call: Call, session: Session, certificate_id: str) -> Certificate:
    row = registry.get(session, certificate_id)
    call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
    return row


class _Change(Protocol):
    """What is done to a certificate: one of the functions of `ca.revoke`."""

    def __call__(
        self,
        session: Session,
        *,
        certificate_id: uuid.UUID,
        keys: KeyStore,
        at: datetime,
        actor: str,
    ) -> Certificate: ...


def _changed(
    call: Call, change: _Change, action: str, certificate_id: str, *said: object
) -> JSONResponse:
    """Change a certificate once, however often the same is asked with one idempotency key."""

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            found = registry.get(session, certificate_id)
            call.require(session, Action.CERTIFICATE_REVOKE, organization_id=found.organization_id)
            row = change(
                session,
                certificate_id=found.id,
                keys=call.wiring.keys,
                at=call.at,
                actor=call.identity,
            )
            answer = Answer(body=CertificateOut.of(row, at=call.at).model_dump(mode="json"))
            attempt.finish(session, answer)
            return answer

    answer = call.once(action, certificate_id, *said, act=act)
    return JSONResponse(answer.body, status_code=answer.status)
