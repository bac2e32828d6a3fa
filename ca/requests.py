"""Certificate requests: what is asked for, and the second person who decides.

A request walks a fixed table of states. Whoever asked never decides; the database refuses it too.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca import csr, devices, organizations, profiles, request_routing, subscribers
from ca.errors import (
    CertificateNotFound,
    RequestInvalid,
    RequestNotFound,
    SelfApproval,
    TransitionNotAllowed,
)
from ca.models import (
    Certificate,
    CertificateRequest,
    CertificateStatus,
    Device,
    DeviceKind,
    DeviceState,
    RequestKind,
    RequestState,
    Subscriber,
)
from ca.names import storable
from ca.profiles import Profile
from ca.public_keys import check_algorithm, check_not_taken, fingerprint
from ca.subjects import subject_for
from db import audit
from db.base import uuid7
from hsm.algorithms import KeyAlgorithm

State = RequestState

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    State.DRAFT: frozenset({State.AGENCY_CONFIRMED}),
    State.AGENCY_CONFIRMED: frozenset({State.RECEIVED}),
    State.RECEIVED: frozenset({State.APPROVED, State.RETURNED, State.REJECTED}),
    State.RETURNED: frozenset({State.RECEIVED}),
    State.REJECTED: frozenset(),
    State.APPROVED: frozenset({State.KEY_GENERATED}),
    State.KEY_GENERATED: frozenset({State.ISSUED, State.APPROVED}),
    State.ISSUED: frozenset({State.DELIVERED}),
    State.DELIVERED: frozenset({State.ACTIVE}),
    State.ACTIVE: frozenset(),
}
"""`key_generated -> approved` is the way back after an intent was abandoned."""

ISSUING_KINDS: Final = frozenset({RequestKind.NEW, RequestKind.RENEW, RequestKind.CHANGE})
"""Kinds of request that end in a new certificate."""

_ABOUT_A_CERTIFICATE: Final = frozenset({RequestKind.RENEW, RequestKind.CHANGE, RequestKind.REVOKE})
_MAX_TEXT: Final = 2000
_USABLE_DEVICES: Final = frozenset({DeviceState.IN_STOCK, DeviceState.HANDED_OVER})


@dataclass(frozen=True)
class RequestDetails:
    """What is asked for.

    Kinds that end in a certificate carry either a `csr` (PEM or DER; the holder has the key) or a
    `key_algorithm` (the server makes the key on its token). `certificate_id` is the certificate
    that a renewal, change or revocation is about.
    """

    kind: RequestKind
    subscriber_id: uuid.UUID
    profile: str
    csr: bytes | None = None
    key_algorithm: KeyAlgorithm | None = None
    device_id: uuid.UUID | None = None
    certificate_id: uuid.UUID | None = None
    reason: str | None = None
    document_reference: str | None = None


def submit(
    session: Session, *, details: RequestDetails, at: datetime, actor: str, draft: bool = False
) -> CertificateRequest:
    """Put a request in: at once before the deciders (`received`), or as a draft for the agency.

    Everything that can be checked now is checked now, so that a decision is about the matter.
    Raises RequestInvalid, CsrUnacceptable, KeyUnacceptable, SubjectInvalid, ProfileUnknown or one
    of the NotFound errors.
    """
    subscriber = subscribers.get(session, details.subscriber_id)
    profile = profiles.get(details.profile)
    request_der = _checked(session, details, subscriber, profile)
    request = CertificateRequest(
        id=uuid7(),
        kind=details.kind,
        state=State.DRAFT if draft else State.RECEIVED,
        subscriber_id=subscriber.id,
        organization_id=subscriber.organization_id,
        device_id=details.device_id,
        certificate_id=details.certificate_id,
        certificate_kind=profile.kind,
        profile=profile.identifier,
        csr=request_der,
        key_algorithm=details.key_algorithm.value if details.key_algorithm else None,
        reason=details.reason,
        document_reference=details.document_reference,
        requested_by=actor,
        requested_at=at,
    )
    session.add(request)
    session.flush()
    _record(session, request, None, at=at, actor=actor)
    return request


def confirm(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str
) -> CertificateRequest:
    """Note that the directly managing agency stands behind a draft."""
    request = locked(session, request_id)
    return advance(session, request, State.AGENCY_CONFIRMED, at=at, actor=actor)


def receive(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str
) -> CertificateRequest:
    """Take a confirmed draft, or one that was returned and completed, before the deciders."""
    request = locked(session, request_id)
    if request.state is State.RETURNED and actor != request.requested_by:
        raise RequestInvalid(
            "a returned request is put in again by whoever made it", reason="not_the_maker"
        )
    return advance(session, request, State.RECEIVED, at=at, actor=actor)


def approve(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str, note: str | None = None
) -> CertificateRequest:
    """Approve, by another person than the one who asked; raise SelfApproval otherwise."""
    return _decide(session, request_id, State.APPROVED, note, (at, actor))


def reject(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str, note: str
) -> CertificateRequest:
    """Reject for good, with the reason in `note`."""
    return _decide(session, request_id, State.REJECTED, note, (at, actor))


def return_(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str, note: str
) -> CertificateRequest:
    """Send back to be completed, with what is missing in `note`."""
    return _decide(session, request_id, State.RETURNED, note, (at, actor))


def deliver(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str
) -> CertificateRequest:
    """Note that certificate and device were handed over."""
    return advance(session, locked(session, request_id), State.DELIVERED, at=at, actor=actor)


def activate(
    session: Session, request_id: uuid.UUID, *, at: datetime, actor: str
) -> CertificateRequest:
    """Note that the holder uses the certificate: the end of the dossier."""
    return advance(session, locked(session, request_id), State.ACTIVE, at=at, actor=actor)


def get(session: Session, request_id: uuid.UUID) -> CertificateRequest:
    """Return the request of that id."""
    found = session.get(CertificateRequest, request_id)
    if found is None:
        raise RequestNotFound(f"no certificate request {request_id}")
    return found


def listing(
    session: Session,
    *,
    states: frozenset[RequestState] = frozenset(RequestState),
    under: uuid.UUID | None = None,
    limit: int,
    after: uuid.UUID | None = None,
) -> list[CertificateRequest]:
    """Return up to `limit` requests, oldest first, after the id `after`."""
    query = select(CertificateRequest).order_by(CertificateRequest.id).limit(limit)
    query = query.where(CertificateRequest.state.in_(states))
    if after is not None:
        query = query.where(CertificateRequest.id > after)
    if under is not None:
        query = query.where(CertificateRequest.organization_id.in_(organizations.subtree(under)))
    return list(session.scalars(query))


def issued(session: Session, request_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Return the certificates that were issued for requests, by the requests' ids."""
    query = select(Certificate.request_id, Certificate.id).where(
        Certificate.request_id.in_(request_ids),
        Certificate.status != CertificateStatus.ABANDONED,
        Certificate.der.is_not(None),
    )
    return {request_id: found for request_id, found in session.execute(query) if request_id}


def locked(session: Session, request_id: uuid.UUID) -> CertificateRequest:
    """Return the request, its row locked until the transaction ends."""
    found = session.get(
        CertificateRequest, request_id, with_for_update=True, populate_existing=True
    )
    if found is None:
        raise RequestNotFound(f"no certificate request {request_id}")
    return found


def advance(
    session: Session, request: CertificateRequest, state: RequestState, *, at: datetime, actor: str
) -> CertificateRequest:
    """Move a locked request one step; raise TransitionNotAllowed where there is no such step."""
    if state not in TRANSITIONS[request.state]:
        raise TransitionNotAllowed(request.state.value, state.value)
    before = request.state
    request.state = state
    session.flush()
    _record(session, request, before, at=at, actor=actor)
    return request


def _decide(
    session: Session,
    request_id: uuid.UUID,
    state: RequestState,
    note: str | None,
    when_and_who: tuple[datetime, str],
) -> CertificateRequest:
    at, actor = when_and_who
    request = locked(session, request_id)
    if actor == request.requested_by:
        raise SelfApproval("whoever asked for a certificate does not decide on it")
    check_texts(note)
    if state is not State.APPROVED and not (note and note.strip()):
        raise RequestInvalid("to reject or to return needs a reason", reason="note_missing")
    if state not in TRANSITIONS[request.state]:
        raise TransitionNotAllowed(request.state.value, state.value)
    request.decided_by, request.decided_at, request.decision_note = actor, at, note
    return advance(session, request, state, at=at, actor=actor)


def _checked(
    session: Session, details: RequestDetails, subscriber: Subscriber, profile: Profile
) -> bytes | None:
    check_texts(details.reason, details.document_reference)
    _check_certificate(session, details)
    organization = organizations.get(session, subscriber.organization_id)
    if details.kind not in ISSUING_KINDS:
        if details.csr is not None or details.key_algorithm is not None:
            raise RequestInvalid(
                f"a request to {details.kind.value} carries no key", reason="key_not_wanted"
            )
        if details.kind is RequestKind.UNLOCK and details.device_id is None:
            raise RequestInvalid("a request to unlock names the device", reason="device_missing")
        return None
    subject_for(profile, subscriber=subscriber, organization=organization)
    _check_device(session, details, profile)
    if (details.csr is None) == (details.key_algorithm is None):
        raise RequestInvalid(
            "either a CSR or a key algorithm is needed, not both", reason="csr_or_key"
        )
    if details.key_algorithm is not None:
        check_algorithm(details.key_algorithm, rules=profile.keys)
    if details.csr is None:
        return None
    parsed = csr.parse(details.csr, rules=profile.keys)
    check_not_taken(
        session, spki_sha256=fingerprint(parsed.public_key), subscriber_id=subscriber.id
    )
    return parsed.der


def check_texts(*texts: str | None) -> None:
    """Raise RequestInvalid for a text that is too long or cannot be stored."""
    for text in texts:
        if text is not None and (len(text) > _MAX_TEXT or not storable(text)):
            raise RequestInvalid(
                f"a text has at most {_MAX_TEXT} characters, none of them NUL", reason="text"
            )


def _check_certificate(session: Session, details: RequestDetails) -> None:
    if details.kind not in _ABOUT_A_CERTIFICATE:
        if details.certificate_id is not None:
            raise RequestInvalid(
                f"a request of kind {details.kind.value} names no certificate",
                reason="certificate_not_wanted",
            )
        return
    if details.certificate_id is None:
        raise RequestInvalid(
            f"a request to {details.kind.value} names the certificate", reason="certificate_missing"
        )
    certificate = session.get(Certificate, details.certificate_id)
    if certificate is None:
        raise CertificateNotFound(f"no certificate {details.certificate_id}")
    if certificate.subscriber_id != details.subscriber_id:
        raise RequestInvalid(
            "the certificate belongs to another subscriber", reason="certificate_of_another"
        )


def _check_device(session: Session, details: RequestDetails, profile: Profile) -> None:
    if details.device_id is None:
        if profile.devices:
            raise RequestInvalid(
                f"profile {profile.identifier} needs a device", reason="device_missing"
            )
        return
    device: Device = devices.get(session, details.device_id)
    if profile.devices and device.kind not in profile.devices:
        raise RequestInvalid(
            f"profile {profile.identifier} does not live on a {device.kind.value}",
            reason="device_kind",
        )
    if device.state not in _USABLE_DEVICES:
        raise RequestInvalid(f"the device is {device.state.value}", reason="device_state")
    if device.subscriber_id not in {None, details.subscriber_id}:
        raise RequestInvalid("the device is held by another subscriber", reason="device_of_another")
    if device.kind is not DeviceKind.HSM and details.key_algorithm is not None:
        raise RequestInvalid(
            "a key on the holder's own device comes with a CSR", reason="csr_missing"
        )


def _record(
    session: Session,
    request: CertificateRequest,
    before: RequestState | None,
    *,
    at: datetime,
    actor: str,
) -> None:
    if request.state is State.RECEIVED:
        request_routing.receive(session, request, at=at)
    audit.record(
        session,
        at=at,
        actor=actor,
        action=f"certificate_request.{request.state.value}",
        object_type="certificate_request",
        object_id=str(request.id),
        before={"state": before.value} if before else None,
        after={
            "state": request.state.value,
            "kind": request.kind.value,
            "subscriber_id": str(request.subscriber_id),
            "profile": request.profile,
            "note": request.decision_note,
        },
    )
