"""Asking the holder's phone or service, and fetching the signature: the work of the worker.

    OPEN      the question is sent; whether it arrived is known only by its answer
    ASKED     the provider is asked again until the person has decided or the time is over
    ANSWERED  the signatures are stored before the documents are finished, so that a time-stamp
              server that is away costs nobody a second PIN

Each step is a job that enqueues the next one in the transaction that records it. A step that is
repeated after a crash finds what was recorded; only a question of which nobody knows whether it was
sent is sent again.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import devices
from ca.errors import CaError
from ca.models import Certificate, DeviceState
from hsm.errors import HsmError
from hsm.key_uri import KeyURI
from hsm.later_keys import RemoteKey
from hsm.providers import Pending, Prompt
from hsm.refusals import ProviderUnreachable, Refusal, SignatureRefused, refused
from pdf.errors import PdfError, TimestampUnavailable
from signing import prompts, sign
from signing.desk import Desk
from signing.errors import SigningError, SignRequestClosed
from signing.models import SignRequest
from signing.models_prompts import PromptState, SignaturePrompt, SignaturePromptItem
from signing.prepared_state import prepared_of
from signing.remote_keys import open_remote

POLL: Final = timedelta(seconds=2)
"""How long after one look the next one comes."""
FIRST_POLL: Final = timedelta(seconds=1)
RETRY: Final = timedelta(seconds=15)
"""How long after a server was away it is tried again."""
GRACE: Final = timedelta(seconds=30)
"""How long past the person's time the provider may take to say so."""
SYSTEM: Final = "system:worker"
_UNFINISHED: Final = frozenset({PromptState.OPEN, PromptState.ASKED, PromptState.ANSWERED})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Work:
    """A question with everything that is needed to go on with it, outside of a transaction."""

    prompt: SignaturePrompt
    certificate: Certificate
    requests: tuple[SignRequest, ...]
    items: tuple[SignaturePromptItem, ...]

    def key(self, desk: Desk) -> RemoteKey:
        return open_remote(desk, self.certificate, self.requests[0].algorithm)

    @property
    def shown(self) -> Prompt:
        return Prompt(text=self.prompt.text, code=self.prompt.code)

    def messages(self) -> list[bytes]:
        return [prepared_of(one).to_be_signed for one in self.requests]

    def pending(self) -> list[Pending]:
        uri = KeyURI.parse(self.prompt.key_uri)
        return [
            Pending(
                uri=uri, reference=item.reference or "{}", to_be_signed=message, prompt=self.shown
            )
            for item, message in zip(self.items, self.messages(), strict=True)
        ]


def collect(desk: Desk, prompt_id: uuid.UUID, *, at: datetime) -> PromptState | None:
    """Take one step with a question and enqueue the next; returns where it stands then.

    None when there is nothing to do any more.
    """
    with desk.sessions() as session:
        work = _load(session, prompt_id)
    if work is None:
        return None
    if not work.requests:
        return _close(desk, prompt_id, PromptState.CLOSED, at=at)
    try:
        if work.prompt.state is PromptState.OPEN:
            return _send(desk, work, at=at)
        if work.prompt.state is PromptState.ASKED:
            return _fetch(desk, work, at=at)
        return _complete(desk, work, at=at)
    except (CaError, HsmError) as error:
        return _refuse(desk, work, error, at=at)


def withdraw(desk: Desk, prompt_id: uuid.UUID) -> bool:
    """Tell the provider that a question is no longer asked; False where that is not possible."""
    with desk.sessions() as session:
        prompt = session.get_one(SignaturePrompt, prompt_id)
        items = _items(session, prompt_id)
        requests = [session.get_one(SignRequest, item.sign_request_id) for item in items]
        certificate = session.get_one(Certificate, prompt.certificate_id)
    work = _Work(prompt, certificate, tuple(requests), tuple(items))
    asked = [one for one in work.pending() if one.reference != "{}"]
    try:
        key = work.key(desk)
        told = [key.cancel(one) for one in asked]
        return bool(told) and all(told)
    except HsmError as error:
        log.warning("the question %s could not be taken back: %s", prompt_id, error.code)
        return False


def take_up(desk: Desk, *, at: datetime) -> int:
    """Go on with what a stopped process left, without waiting for the queue to notice its end.

    Where looking twice would ask twice (a question on its way, an exchange that another worker may
    be in the middle of), the queue's own time is waited for. Returns how many were taken up.
    """
    taken = 0
    with desk.sessions.begin() as session:
        query = select(SignaturePrompt).where(
            SignaturePrompt.state.in_([PromptState.ASKED, PromptState.ANSWERED])
        )
        for prompt in session.scalars(query.order_by(SignaturePrompt.id)):
            work = _load(session, prompt.id)
            if work is None or not work.requests:
                continue
            try:
                waits = prompt.state is PromptState.ASKED and work.key(desk).blocks
            except (CaError, HsmError):
                waits = False  # the step itself records what is wrong
            if not waits:
                prompts.enqueue(session, prompt, at=at)
                taken += 1
    return taken


def _load(session: Session, prompt_id: uuid.UUID) -> _Work | None:
    prompt = session.get(SignaturePrompt, prompt_id)
    if prompt is None or prompt.state not in _UNFINISHED:
        return None
    requests = prompts.waiting_requests(session, prompt_id)
    open_ids = {one.id for one in requests}
    items = [item for item in _items(session, prompt_id) if item.sign_request_id in open_ids]
    certificate = session.get_one(Certificate, prompt.certificate_id)
    return _Work(prompt, certificate, tuple(requests), tuple(items))


def _items(session: Session, prompt_id: uuid.UUID) -> list[SignaturePromptItem]:
    query = select(SignaturePromptItem).where(SignaturePromptItem.prompt_id == prompt_id)
    return list(session.scalars(query.order_by(SignaturePromptItem.position)))


def _send(desk: Desk, work: _Work, *, at: datetime) -> PromptState:
    """Ask; a provider that was never reached is tried again while there is time."""
    key = work.key(desk)
    messages = work.messages()
    try:
        asked = key.start_together(messages, work.shown)
    except ProviderUnreachable as error:
        if error.delivered or at + RETRY >= work.prompt.expires_at:
            raise
        return _later(desk, work, at=at + RETRY)
    with desk.sessions.begin() as session:
        prompt = session.get_one(SignaturePrompt, work.prompt.id, with_for_update=True)
        for item, pending in zip(work.items, asked, strict=True):
            session.get_one(SignaturePromptItem, item.sign_request_id).reference = pending.reference
        if prompt.state is PromptState.OPEN:
            prompt.state = PromptState.ASKED
            prompts.record(session, prompt, "prompt.asked", at=at, actor=SYSTEM)
        elif prompt.state is PromptState.WITHDRAWN:
            # it was taken back while it was on its way
            prompts.enqueue_withdrawal(session, prompt)
            return prompt.state
        prompt.asked_at, prompt.expires_at = at, at + timedelta(seconds=key.seconds)
        first = at if key.blocks or key.answers_now else at + FIRST_POLL
        prompts.enqueue(session, prompt, at=first)
        return prompt.state


def _fetch(desk: Desk, work: _Work, *, at: datetime) -> PromptState:
    """Look for the answer; what cannot be looked for now is looked for again."""
    key = work.key(desk)
    late = at >= work.prompt.expires_at + GRACE
    pending = work.pending()
    try:
        found = key.collect_together(pending)
    except ProviderUnreachable:
        if late:
            raise
        return _later(desk, work, at=at + POLL)
    if found is None:
        if late:
            raise refused(Refusal.USER_TIMEOUT, "the person's time is over")
        return _later(desk, work, at=at + POLL)
    with desk.sessions.begin() as session:
        prompt = session.get_one(SignaturePrompt, work.prompt.id, with_for_update=True)
        for item, signature in zip(work.items, found, strict=True):
            session.get_one(SignaturePromptItem, item.sign_request_id).signature = signature
        prompt.state = PromptState.ANSWERED
        prompts.record(session, prompt, "prompt.answered", at=at, actor=SYSTEM)
        # should this process end before the documents are finished
        prompts.enqueue(session, prompt, at=at + RETRY)
    with desk.sessions() as session:
        answered = _load(session, work.prompt.id)
    return PromptState.ANSWERED if answered is None else _complete(desk, answered, at=at)


def _complete(desk: Desk, work: _Work, *, at: datetime) -> PromptState:
    """Finish every document whose signature is here."""
    left = False
    for request, item in zip(work.requests, work.items, strict=True):
        try:
            sign.complete(desk, request.id, item.signature or b"", at=at, actor=request.actor)
        except TimestampUnavailable as error:
            if at + RETRY >= request.expires_at:
                sign.fail(desk, request.id, error.code, at=at, actor=request.actor)
            else:
                left = True
        except SignRequestClosed:
            continue
        except (CaError, PdfError, SigningError) as error:
            sign.fail(desk, request.id, error.code, at=at, actor=request.actor)
    if left:
        with desk.sessions.begin() as session:
            prompt = session.get_one(SignaturePrompt, work.prompt.id)
            prompts.enqueue(session, prompt, at=at + RETRY)
        return PromptState.ANSWERED
    return _close(desk, work.prompt.id, PromptState.CLOSED, at=at)


def _refuse(desk: Desk, work: _Work, error: CaError | HsmError, *, at: datetime) -> PromptState:
    """Record why there will be no signature: on the question, on its requests, on the device."""
    code = error.refusal.value if isinstance(error, SignatureRefused) else error.code
    log.info("no signature for question %s: %s (%s)", work.prompt.id, code, error)
    for request in work.requests:
        sign.fail(desk, request.id, code, at=at, actor=request.actor)
    if code == Refusal.PIN_BLOCKED.value:
        _note_blocked_pin(desk, work.certificate, at=at)
    return _close(desk, work.prompt.id, PromptState.REFUSED, at=at, reason=code)


def _note_blocked_pin(desk: Desk, certificate: Certificate, *, at: datetime) -> None:
    if certificate.device_id is None:
        return
    with desk.sessions.begin() as session:
        device = devices.get(session, certificate.device_id)
        if device.state is DeviceState.HANDED_OVER:
            devices.move(session, device.id, state=DeviceState.PIN_LOCKED, at=at, actor=SYSTEM)


def _later(desk: Desk, work: _Work, *, at: datetime) -> PromptState:
    with desk.sessions.begin() as session:
        prompt = session.get_one(SignaturePrompt, work.prompt.id)
        prompts.enqueue(session, prompt, at=at)
        return prompt.state


def _close(
    desk: Desk,
    prompt_id: uuid.UUID,
    state: PromptState,
    *,
    at: datetime,
    reason: str | None = None,
) -> PromptState:
    with desk.sessions.begin() as session:
        prompt = session.get_one(SignaturePrompt, prompt_id, with_for_update=True)
        if prompt.state in _UNFINISHED:
            prompt.state, prompt.reason = state, reason
            prompts.record(session, prompt, f"prompt.{state.value}", at=at, actor=SYSTEM)
        return prompt.state
