"""A request's way around the decision: draft, agency, receipt, handing over, first use."""

import uuid
from datetime import datetime
from typing import Annotated, Final, Protocol

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import Call, needs
from api.idempotency import Answer, Attempt
from api.permissions import Action
from api.responses import problems
from api.schemas.certificates import RenewIn, RequestOut
from ca import registry, requests
from ca.models import CertificateRequest

router = APIRouter(tags=["certificate requests"])
Submitter = Annotated[Call, Depends(needs(Action.REQUEST_SUBMIT))]
KeyedSubmitter = Annotated[Call, Depends(needs(Action.REQUEST_SUBMIT, keyed=True))]
Keeper = Annotated[Call, Depends(needs(Action.REGISTRY_WRITE))]
_MOVED: Final = problems(404, 409)


@router.post("/certificate-requests/{request_id}/confirm", responses=_MOVED)
def confirm(call: Submitter, request_id: uuid.UUID) -> RequestOut:
    """Note that the directly managing agency stands behind a draft."""
    return _moved(call, request_id, Action.REQUEST_SUBMIT, requests.confirm)


@router.post("/certificate-requests/{request_id}/receive", responses=_MOVED)
def receive(call: Submitter, request_id: uuid.UUID) -> RequestOut:
    """Put a confirmed or a completed request before the deciders; its term begins."""
    return _moved(call, request_id, Action.REQUEST_SUBMIT, requests.receive)


@router.post("/certificate-requests/{request_id}/deliver", responses=_MOVED)
def deliver(call: Keeper, request_id: uuid.UUID) -> RequestOut:
    """Note that certificate and device were handed over."""
    return _moved(call, request_id, Action.REGISTRY_WRITE, requests.deliver)


@router.post("/certificate-requests/{request_id}/activate", responses=_MOVED)
def activate(call: Keeper, request_id: uuid.UUID) -> RequestOut:
    """Note that the holder uses the certificate, which ends the dossier."""
    return _moved(call, request_id, Action.REGISTRY_WRITE, requests.activate)


@router.post(
    "/certificates/{certificate_id}/renew",
    status_code=201,
    responses=_MOVED,
    response_model=RequestOut,
)
def renew(call: KeyedSubmitter, certificate_id: str, body: RenewIn | None = None) -> JSONResponse:
    """Ask for the certificate's successor; it is issued when a second person approves.

    Without a CSR and without a key algorithm the server makes a key like the one it made before.
    """
    asked = body or RenewIn()

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            old = registry.get(session, certificate_id)
            call.require(session, Action.REQUEST_SUBMIT, organization_id=old.organization_id)
            details = asked.details(old, first=_first_request(session, old.request_id))
            row = requests.submit(session, details=details, at=call.at, actor=call.identity)
            answer = Answer(status=201, body=RequestOut.of(row).model_dump(mode="json"))
            attempt.finish(session, answer)
        return answer

    same = ("certificate.renew", certificate_id, asked.model_dump(mode="json"))
    answer = call.once(*same, act=act)
    return JSONResponse(answer.body, status_code=answer.status)


class _Step(Protocol):
    def __call__(
        self, session: Session, request_id: uuid.UUID, *, at: datetime, actor: str
    ) -> CertificateRequest: ...


def _moved(call: Call, request_id: uuid.UUID, action: Action, step: _Step) -> RequestOut:
    with call.transaction() as session:
        where = requests.get(session, request_id).organization_id
        call.require(session, action, organization_id=where)
        row = step(session, request_id, at=call.at, actor=call.identity)
        issued = requests.issued(session, [request_id])
        return RequestOut.of(row, issued=issued.get(request_id))


def _first_request(session: Session, request_id: uuid.UUID | None) -> CertificateRequest | None:
    return requests.get(session, request_id) if request_id is not None else None
