"""Deciding to ask the holder of a key that is elsewhere, and taking it back.

The question is a row and a job of the same transaction as the sign request: it is asked if and only
if that commits, by whichever worker comes first (`signing.collecting`).
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.models import Certificate
from db import audit, jobs
from db.base import uuid7
from hsm.errors import MechanismUnavailable
from hsm.later import verification_code
from signing.desk import Desk
from signing.errors import NotAskable
from signing.models import SignRequest, SignRequestStatus
from signing.models_prompts import PromptState, SignaturePrompt, SignaturePromptItem
from signing.prepared_state import prepared_of
from signing.remote_keys import is_remote, open_remote

COLLECT = "signing.collect"
WITHDRAW = "signing.withdraw"
PHONES = "phones"
"""Queue of jobs that wait for providers and people; it has workers of its own."""


def answers_now(desk: Desk, certificate: Certificate, algorithm: str) -> bool:
    """Whether the provider of a remote key signs without waiting for a person."""
    return is_remote(certificate.key_uri) and open_remote(desk, certificate, algorithm).answers_now


def ask(
    desk: Desk,
    session: Session,
    requests: Sequence[SignRequest],
    *,
    at: datetime,
) -> SignaturePrompt:
    """Decide to ask for the signatures of waiting requests, which share a certificate and caller.

    Raises NotAskable, MechanismUnavailable where one PIN cannot cover so many, and what opening the
    key raises; nothing is sent before the caller commits.
    """
    certificate = _common_certificate(session, requests)
    key = open_remote(desk, certificate, requests[0].algorithm)
    if len(requests) > key.together:
        raise MechanismUnavailable(f"one confirmation covers {key.together} documents here")
    digests = [prepared_of(one).digest for one in requests]
    prompt = SignaturePrompt(
        id=uuid7(),
        certificate_id=certificate.id,
        actor=requests[0].actor,
        key_uri=certificate.key_uri,
        state=PromptState.OPEN,
        text=_text([one.file_name for one in requests]),
        code=verification_code(digests),
        created_at=at,
        expires_at=min(one.expires_at for one in requests),
    )
    session.add(prompt)
    session.flush()
    for position, one in enumerate(requests):
        one.verification_code = prompt.code
        session.add(
            SignaturePromptItem(sign_request_id=one.id, prompt_id=prompt.id, position=position)
        )
    record(session, prompt, "prompt.opened", at=at, actor=prompt.actor)
    enqueue(session, prompt)
    return prompt


def ask_together(
    desk: Desk, request_ids: Sequence[uuid.UUID], *, at: datetime, actor: str
) -> list[SignRequest]:
    """Ask once for several requests of one's own that were held back; commits.

    Raises NotAskable, also for a request that is somebody else's, and what :func:`ask` raises.
    """
    with desk.sessions.begin() as session:
        query = select(SignRequest).where(SignRequest.id.in_(request_ids)).order_by(SignRequest.id)
        found = {row.id: row for row in session.scalars(query.with_for_update())}
        wanted = [found[one] for one in dict.fromkeys(request_ids) if one in found]
        if len(wanted) != len(set(request_ids)) or any(one.actor != actor for one in wanted):
            raise NotAskable("one of the sign requests does not exist")
        ask(desk, session, wanted, at=at)
        return wanted


def ask_held(
    desk: Desk, session: Session, request_ids: Sequence[uuid.UUID], *, at: datetime
) -> int:
    """Ask for held requests of one certificate, as many under one PIN as its provider allows.

    Those already asked for, closed, or whose key only the holder can use are passed over; returns
    the number of questions.
    """
    query = select(SignRequest).where(SignRequest.id.in_(request_ids))
    waiting = [
        one
        for one in session.scalars(query.order_by(SignRequest.id).with_for_update())
        if one.status is SignRequestStatus.WAITING
        and session.get(SignaturePromptItem, one.id) is None
    ]
    if not waiting:
        return 0
    certificate = session.get_one(Certificate, waiting[0].certificate_id)
    if not is_remote(certificate.key_uri):
        return 0
    size = open_remote(desk, certificate, waiting[0].algorithm).together
    parts = [waiting[begin : begin + size] for begin in range(0, len(waiting), size)]
    for part in parts:
        ask(desk, session, part, at=at)
    return len(parts)


def withdraw(session: Session, request: SignRequest, *, at: datetime) -> None:
    """Take the question about a cancelled request back, unless it is about others as well."""
    item = session.get(SignaturePromptItem, request.id)
    if item is None:
        return
    prompt = session.get_one(SignaturePrompt, item.prompt_id, with_for_update=True)
    others = [one for one in waiting_requests(session, prompt.id) if one.id != request.id]
    if others or prompt.state not in {PromptState.OPEN, PromptState.ASKED}:
        return
    prompt.state = PromptState.WITHDRAWN
    record(session, prompt, "prompt.withdrawn", at=at, actor=request.actor)
    enqueue_withdrawal(session, prompt)


def enqueue_withdrawal(session: Session, prompt: SignaturePrompt) -> None:
    """Let a worker tell the provider that the question is taken back."""
    jobs.enqueue(session, job=WITHDRAW, payload={"prompt": str(prompt.id)})


def waiting_requests(session: Session, prompt_id: uuid.UUID) -> list[SignRequest]:
    """List the requests of a question that still wait for their signature."""
    query = (
        select(SignRequest)
        .join(SignaturePromptItem, SignaturePromptItem.sign_request_id == SignRequest.id)
        .where(
            SignaturePromptItem.prompt_id == prompt_id,
            SignRequest.status == SignRequestStatus.WAITING,
        )
        .order_by(SignaturePromptItem.position)
    )
    return list(session.scalars(query))


def enqueue(session: Session, prompt: SignaturePrompt, *, at: datetime | None = None) -> None:
    """Let a worker go on with a question."""
    jobs.enqueue(
        session,
        job=COLLECT,
        payload={"prompt": str(prompt.id)},
        queue=PHONES,
        unique=str(prompt.id),
        at=at,
    )


def record(
    session: Session, prompt: SignaturePrompt, action: str, *, at: datetime, actor: str
) -> None:
    """Write what became of a question to the audit log."""
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="signature_prompt",
        object_id=str(prompt.id),
        after={
            "state": prompt.state.value,
            "certificate": str(prompt.certificate_id),
            "reason": prompt.reason,
        },
    )


def _common_certificate(session: Session, requests: Sequence[SignRequest]) -> Certificate:
    if not requests:
        raise NotAskable("no sign request is named")
    if len({(one.certificate_id, one.algorithm) for one in requests}) > 1:
        raise NotAskable("the sign requests are not of one certificate")
    for one in requests:
        if one.status is not SignRequestStatus.WAITING:
            raise NotAskable(f"the sign request {one.id} is {one.status}")
        if session.get(SignaturePromptItem, one.id) is not None:
            raise NotAskable(f"the signer was already asked for {one.id}")
    certificate = session.get_one(Certificate, requests[0].certificate_id)
    if not is_remote(certificate.key_uri):
        raise NotAskable("the signer's key is not on a SIM or at a service")
    return certificate


def _text(names: Sequence[str]) -> str:
    """Say what is to be signed; Vietnamese, as the phones' holders read it."""
    return f"Ký số: {names[0]}" if len(names) == 1 else f"Ký số {len(names)} văn bản: {names[0]}, …"
