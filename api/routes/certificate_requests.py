"""`/certificate-requests`: asking, and the second person who decides."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.auth import Call, needs
from api.errors import Unexpected
from api.idempotency import Answer, Attempt
from api.permissions import Action, list_scope, scopes
from api.problem_words import ROOTS, Language, language_of, problem
from api.responses import problems
from api.schemas.certificates import (
    ApprovedOut,
    ApproveManyIn,
    CertificateOut,
    DecisionIn,
    RequestIn,
    RequestOut,
)
from api.schemas.lists import DEFAULT_LIMIT, Cursor, Limit, Page, decode_id, page
from ca import (
    issue,
    issue_batch,
    registry,
    request_routing,
    requests,
    revoke,
    subscribers,
)
from ca.errors import RequestInvalid, SelfApproval, TransitionNotAllowed
from ca.issue_batch import Outcome
from ca.issue_intents import Asked, Context
from ca.models import Certificate, CertificateRequest, RequestKind, RequestState
from ca.revocation_reasons import RevocationReason

ISSUED_AT_ONCE = 2
"""Groups of one batch at work at the same time; more would only wait for the token."""

router = APIRouter(prefix="/certificate-requests", tags=["certificate requests"])
Reader = Annotated[Call, Depends(needs(Action.REGISTRY_READ))]
Submitter = Annotated[Call, Depends(needs(Action.REQUEST_SUBMIT, keyed=True))]
Decider = Annotated[Call, Depends(needs(Action.REQUEST_DECIDE))]
KeyedDecider = Annotated[Call, Depends(needs(Action.REQUEST_DECIDE, keyed=True))]


@router.post("", status_code=201, responses=problems(404, 409), response_model=RequestOut)
def submit(call: Submitter, body: RequestIn) -> JSONResponse:
    """Ask for a certificate, a renewal, a change, a revocation or an unlocking."""

    def act(attempt: Attempt) -> Answer:
        with call.transaction() as session:
            subscriber = subscribers.get(session, body.subscriber_id)
            where = subscriber.organization_id
            call.require(session, Action.REQUEST_SUBMIT, organization_id=where)
            row = requests.submit(
                session,
                details=body.details(),
                at=call.at,
                actor=call.identity,
                draft=body.draft,
            )
            answer = Answer(status=201, body=RequestOut.of(row).model_dump(mode="json"))
            attempt.finish(session, answer)
        return answer

    answer = call.once("request.submit", body.model_dump(mode="json"), act=act)
    return JSONResponse(answer.body, status_code=answer.status)


@router.get("", responses=problems())
def listing(
    call: Reader,
    state: Annotated[list[RequestState] | None, Query()] = None,
    under: uuid.UUID | None = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[RequestOut]:
    """List requests, oldest first."""
    with call.transaction() as session:
        scope = list_scope(session, call.actor, Action.REGISTRY_READ, under=under)
        rows = requests.listing(
            session,
            states=frozenset(state or RequestState),
            under=scope,
            limit=limit + 1,
            after=decode_id(cursor),
        )
        issued = requests.issued(session, [row.id for row in rows])
        return page(
            rows,
            limit=limit,
            show=lambda row: RequestOut.of(row, issued=issued.get(row.id)),
            key=lambda row: str(row.id),
        )


@router.get("/{request_id}", responses=problems(404))
def get(call: Reader, request_id: uuid.UUID) -> RequestOut:
    """Show a request."""
    with call.transaction() as session:
        row = requests.get(session, request_id)
        call.require(session, Action.REGISTRY_READ, organization_id=row.organization_id)
        issued = requests.issued(session, [row.id])
        return RequestOut.of(row, issued=issued.get(row.id))


@router.post("/{request_id}/approve", responses=problems(404, 409, 503), response_model=ApprovedOut)
def approve(
    call: KeyedDecider, request_id: uuid.UUID, body: DecisionIn | None = None
) -> JSONResponse:
    """Approve somebody else's request; its certificate is issued at once and returned."""
    note = body.note if body is not None else None

    def act(attempt: Attempt) -> Answer:
        if not attempt.resumed:
            answer = _issued_in_a_group(call, request_id, note)
            if answer is not None:
                _finish(call, attempt, answer)
                return answer
        with call.transaction() as session:
            row = _decidable(call, request_id, session)
            row = _approve(call, session, row, note=note, resumed=attempt.resumed)
        certificate = _issued(call, row)
        with call.transaction() as session:
            shown = _shown(call, requests.get(session, request_id), certificate)
            answer = Answer(body=shown.model_dump(mode="json"))
            attempt.finish(session, answer)
        return answer

    answer = call.once("request.approve", str(request_id), note, act=act)
    return JSONResponse(answer.body, status_code=answer.status)


@router.post("/approve", responses=problems(503))
def approve_many(
    call: KeyedDecider,
    body: ApproveManyIn,
    accept_language: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Approve somebody else's requests, up to 1,000, and issue their certificates together.

    What is wrong with one is told in its place in the answer and stops no other. Repeating the call
    after a lost answer does no harm: what was issued is refused as issued.
    """

    def act(attempt: Attempt) -> Answer:
        context = Context(call.wiring.keys, call.at, call.wiring.make_key)
        asked = [_asked(call, request_id, body.note) for request_id in body.request_ids]
        outcomes = issue_batch.issue_batch(
            call.wiring.sessions, asked, context=context, parallel=ISSUED_AT_ONCE
        )
        answer = Answer(body=_many_shown(call, outcomes, language_of(accept_language)))
        _finish(call, attempt, answer)
        return answer

    answer = call.once("request.approve_many", body.model_dump(mode="json"), act=act)
    return JSONResponse(answer.body, status_code=answer.status)


@router.post("/{request_id}/reject", responses=problems(404, 409))
def reject(call: Decider, request_id: uuid.UUID, body: DecisionIn) -> RequestOut:
    """Reject a request for good, with the reason."""
    with call.transaction() as session:
        _decidable(call, request_id, session)
        row = requests.reject(
            session, request_id, at=call.at, actor=call.identity, note=body.note or ""
        )
        return RequestOut.of(row)


@router.post("/{request_id}/return", responses=problems(404, 409))
def return_(call: Decider, request_id: uuid.UUID, body: DecisionIn) -> RequestOut:
    """Send a request back, with what is missing."""
    with call.transaction() as session:
        _decidable(call, request_id, session)
        row = requests.return_(
            session, request_id, at=call.at, actor=call.identity, note=body.note or ""
        )
        return RequestOut.of(row)


def _asked(call: Call, request_id: uuid.UUID, note: str | None) -> Asked:
    def permit(session: Session, organization_id: uuid.UUID) -> None:
        where: uuid.UUID | None = organization_id
        if None not in scopes(call.actor, Action.REQUEST_DECIDE):
            routed = request_routing.routing(session, request_id)
            where = routed.decider_id if routed is not None else organization_id
        call.require(session, Action.REQUEST_DECIDE, organization_id=where)

    return Asked(request_id=request_id, actor=call.identity, approve=True, note=note, permit=permit)


def _issued_in_a_group(call: Call, request_id: uuid.UUID, note: str | None) -> Answer | None:
    """Approve and issue with whoever asks at the same time; None for what ends in nothing new."""
    context = Context(call.wiring.keys, call.at, call.wiring.make_key)
    outcome = call.wiring.issuing.issue(_asked(call, request_id, note), context=context)
    if isinstance(outcome.error, RequestInvalid):
        return None  # perhaps of a kind that ends in no certificate
    return Answer(body=_shown(call, outcome.request, outcome.certificate).model_dump(mode="json"))


async def issued(call: Call, request_id: uuid.UUID, note: str | None) -> bytes | None:
    """Approve and issue as `approve` does without a key, for callers that wait in an event loop.

    Gives the answer as JSON; None for what ends in nothing new.
    """

    def show(outcome: Outcome) -> bytes | None:
        if isinstance(outcome.error, RequestInvalid):
            return None
        return _shown(call, outcome.request, outcome.certificate).model_dump_json().encode()

    context = Context(call.wiring.keys, call.at, call.wiring.make_key)
    asked = _asked(call, request_id, note)
    return await call.wiring.issuing.issued(asked, context=context, show=show)


def _finish(call: Call, attempt: Attempt, answer: Answer) -> None:
    if attempt.record_id is not None:
        with call.transaction() as session:
            attempt.finish(session, answer)


def _many_shown(call: Call, outcomes: list[Outcome], language: Language) -> object:
    items: list[dict[str, object]] = []
    for outcome in outcomes:
        item: dict[str, object] = {"request_id": str(outcome.request_id)}
        if outcome.error is None:
            shown = CertificateOut.of(outcome.certificate, at=call.at, with_pem=True)
            item["certificate"] = shown.model_dump(mode="json")
        else:
            known = outcome.error if isinstance(outcome.error, ROOTS) else Unexpected("not issued")
            item["problem"] = problem(known, language)
        items.append(item)
    issued = sum("certificate" in item for item in items)
    return {"issued": issued, "failed": len(items) - issued, "items": items}


_LATER = frozenset(
    {
        RequestState.KEY_GENERATED,
        RequestState.ISSUED,
        RequestState.DELIVERED,
        RequestState.ACTIVE,
    }
)
"""States that only a request which was approved before can have."""


def _decidable(call: Call, request_id: uuid.UUID, session: Session) -> CertificateRequest:
    row = requests.get(session, request_id)
    where = request_routing.decider(session, row)
    call.require(session, Action.REQUEST_DECIDE, organization_id=where)
    if row.requested_by == call.identity:
        raise SelfApproval("whoever asked for a certificate does not decide on it")
    return row


def _approve(
    call: Call, session: Session, row: CertificateRequest, *, note: str | None, resumed: bool
) -> CertificateRequest:
    """Record the approval, unless an attempt that got lost has done so before."""
    if row.state is RequestState.APPROVED or (resumed and row.state in _LATER):
        return row
    row = requests.approve(session, row.id, at=call.at, actor=call.identity, note=note)
    if row.kind is RequestKind.REVOKE and row.certificate_id is not None:
        revoke.revoke(
            session,
            certificate_id=row.certificate_id,
            reason=RevocationReason.UNSPECIFIED,
            keys=call.wiring.keys,
            at=call.at,
            actor=call.identity,
        )
    return row


def _issued(call: Call, row: CertificateRequest) -> Certificate | None:
    """Issue the certificate of an approved request, or find the one that was issued for it."""
    if row.kind not in requests.ISSUING_KINDS:
        return None
    if row.state is RequestState.APPROVED:
        return issue.issue(
            call.wiring.sessions,
            request_id=row.id,
            keys=call.wiring.keys,
            at=call.at,
            actor=call.identity,
            make_key=call.wiring.make_key,
        )
    with call.wiring.sessions() as session:
        certificate = registry.of_request(session, row.id)
    if certificate is not None:
        return certificate
    raise TransitionNotAllowed(row.state.value, RequestState.ISSUED.value)


def _shown(call: Call, row: CertificateRequest, certificate: Certificate | None) -> ApprovedOut:
    if certificate is None:
        return ApprovedOut(request=RequestOut.of(row), certificate=None)
    shown = CertificateOut.of(certificate, at=call.at, with_pem=True)
    return ApprovedOut(request=RequestOut.of(row, issued=certificate.id), certificate=shown)
