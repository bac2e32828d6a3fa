"""`/certificates`: looking them up, and ending or pausing their life."""

from typing import Annotated

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

router = APIRouter(prefix="/certificates", tags=["certificates"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Revoker = Annotated[Call, Depends(needs(Action.CERTIFICATE_REVOKE))]


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

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            found = _revocable(call, session, certificate_id)
            row = revoke.revoke(
                session,
                certificate_id=found.id,
                reason=asked.reason,
                invalidity_at=asked.invalidity_at,
                keys=call.wiring.keys,
                at=call.at,
                actor=call.identity,
            )
            return _finished(call, session, attempt, row)

    same = ("certificate.revoke", certificate_id, asked.model_dump(mode="json"))
    return _rendered(call.once(*same, act=act))


@router.post(
    "/{certificate_id}/suspend", responses=problems(404, 409, 503), response_model=CertificateOut
)
def suspend(call: Revoker, certificate_id: str) -> JSONResponse:
    """Pause a certificate until it is restored or revoked."""

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            found = _revocable(call, session, certificate_id)
            row = revoke.suspend(
                session,
                certificate_id=found.id,
                keys=call.wiring.keys,
                at=call.at,
                actor=call.identity,
            )
            return _finished(call, session, attempt, row)

    return _rendered(call.once("certificate.suspend", certificate_id, act=act))


@router.post(
    "/{certificate_id}/restore", responses=problems(404, 409, 503), response_model=CertificateOut
)
def restore(call: Revoker, certificate_id: str) -> JSONResponse:
    """Bring a suspended certificate back."""

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            found = _revocable(call, session, certificate_id)
            row = revoke.restore(
                session,
                certificate_id=found.id,
                keys=call.wiring.keys,
                at=call.at,
                actor=call.identity,
            )
            return _finished(call, session, attempt, row)

    return _rendered(call.once("certificate.restore", certificate_id, act=act))


def _readable(call: Call, session: Session, certificate_id: str) -> Certificate:
    row = registry.get(session, certificate_id)
    call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
    return row


def _revocable(call: Call, session: Session, certificate_id: str) -> Certificate:
    row = registry.get(session, certificate_id)
    call.require(session, Action.CERTIFICATE_REVOKE, organization_id=row.organization_id)
    return row


def _finished(call: Call, session: Session, attempt: Attempt, row: Certificate) -> Answer:
    answer = Answer(body=CertificateOut.of(row, at=call.at).model_dump(mode="json"))
    attempt.finish(session, answer)
    return answer


def _rendered(answer: Answer) -> JSONResponse:
    return JSONResponse(answer.body, status_code=answer.status)
