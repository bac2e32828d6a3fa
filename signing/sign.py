"""The walk of one signature: intent, key, document - and never a second signature.

    start      document -> prepared file, request row committed (before any key is used)
    sign_now   the server's key signs the prepared bytes
    complete   a raw signature goes in; the row says SIGNED only when the file is on disk

A caller that lost the answer comes back with the request's id: what is prepared is signed, what
is signed is handed out again. Both calls may be repeated, by any process.
"""

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.errors import CaError
from db import audit
from db.base import uuid7
from hsm import algorithms
from hsm.algorithms import SignatureAlgorithm as KeySignatureAlgorithm
from hsm.errors import HsmError
from pdf.algorithms import SignatureAlgorithm
from pdf.errors import PdfError
from pdf.options import Level, SignatureFormat, SignatureOptions
from pdf.staging import size_of
from signing.allowance import Waiting, claim
from signing.desk import Desk
from signing.documents import flush_to_disk, sha256_of
from signing.errors import (
    KeyNotHere,
    SignatureConflict,
    SigningError,
    SignRequestClosed,
    SignRequestNotFound,
    SignRequestNotSigned,
)
from signing.finish import Finish
from signing.finished import admit
from signing.models import Signature, SignRequest, SignRequestStatus, WhenNoTimestamp
from signing.prepared_state import Prepared, prepare_beside, prepared_of
from signing.prompts import answers_now, ask, withdraw
from signing.proofs import Version, record_proof
from signing.remote_keys import is_remote, signature_now
from signing.signing_keys import SigningCertificate, certificate_for
from signing.upgrades import queue_upgrade

OPEN = frozenset({SignRequestStatus.PREPARED, SignRequestStatus.WAITING})


@dataclass(frozen=True, kw_only=True)
class SignOrder:
    """What a caller wants signed, and with which certificate.

    `options` hold the caller's wishes; time and level are settled here. `level` None means the
    installation's own. `when_no_timestamp` decides what happens while no time-stamp can be had. A
    caller that may have to ask again chooses `request_id` beforehand.
    """

    certificate_id: uuid.UUID
    file_name: str
    options: SignatureOptions
    format: SignatureFormat = SignatureFormat.PADES
    """Beside a file, `options` count as far as they are not about a PDF."""
    level: Level | None = None
    when_no_timestamp: WhenNoTimestamp = WhenNoTimestamp.FAIL
    hold: bool = False
    """Not to ask the signer's phone or service yet: several are to be asked for together."""
    of_batch: bool = False
    """Whether its room was claimed with that of its batch."""
    request_id: uuid.UUID = field(default_factory=uuid7)


def start(
    desk: Desk, source: BinaryIO, order: SignOrder, *, at: datetime, actor: str
) -> SignRequest:
    """Prepare the document and commit the intent to sign it; nothing is signed yet.

    Returns the request: PREPARED when this server has the key, else WAITING for its holder; an
    order that was given before returns the request it made then. A refused document raises a
    PdfError, one there is no room for AllowanceSpent, FinishedSpent or StorageFull; nothing is left
    behind.
    """
    with desk.sessions() as session:
        known = session.get(SignRequest, order.request_id)
        if known is not None:
            return get(session, order.request_id, actor=actor)
        signer = certificate_for(session, order.certificate_id, at=at)
    kept = 0 if order.format is SignatureFormat.CADES else size_of(source)
    admit(desk, kept, actor=actor, at=at)
    try:
        prepared, size = _stage(desk, source, order, signer, at=at)
        request = SignRequest(
            id=order.request_id,
            status=_waits_for(desk, signer, prepared),
            actor=actor,
            certificate_id=signer.row.id,
            organization_id=signer.row.organization_id,
            file_name=order.file_name,
            level=prepared.level,
            when_no_timestamp=order.when_no_timestamp,
            algorithm=prepared.algorithm,
            prepared=prepared.to_json(),
            created_at=at,
            expires_at=at + desk.policy.holder_time,
            staged_size=size,
        )
        with desk.sessions.begin() as session:
            if request.status is SignRequestStatus.WAITING and not order.of_batch:
                claim(session, desk.allowance, Waiting(1, size), actor=actor, at=at)
            session.add(request)
            _record(session, request, "sign.prepared", at=at, actor=actor)
            if _is_to_ask(request, signer) and not order.hold:
                session.flush()
                ask(desk, session, [request], at=at)
    except BaseException:
        desk.documents.remove(order.request_id)
        raise
    return request


def sign_now(desk: Desk, request_id: uuid.UUID, *, at: datetime, actor: str) -> SignRequest:
    """Sign a prepared request with the key this server holds.

    Safe to repeat: a signed request is returned as it is, and one left PREPARED by a crash is
    signed over the same bytes, of which no signature was ever handed out. The row stays locked
    meanwhile, so two processes cannot both use the key. When the key, the certificate or the
    time-stamp server refuses, the request becomes FAILED with the error's code.
    """
    try:
        with desk.sessions.begin() as session:
            request = _locked(session, request_id, actor=actor)
            if request.status is SignRequestStatus.PREPARED:
                signer = certificate_for(session, request.certificate_id, at=at)
                signature = _raw_signature(desk, request, signer)
                _finish(desk, session, request, signer, signature, at=at)
    except (CaError, HsmError, PdfError, SigningError) as error:
        fail(desk, request_id, error.code, at=at, actor=actor)
        raise
    _require_signed(request, at=at)
    return request


def complete(
    desk: Desk, request_id: uuid.UUID, signature: bytes, *, at: datetime, actor: str
) -> SignRequest:
    """Put the holder's raw signature into the prepared document and record it.

    `signature` is over the request's `to_be_signed`: PKCS#1 v1.5 or PSS of the modulus' length,
    ECDSA as DER. Posting the same signature again returns the same result; another one is a
    SignatureConflict. The certificate must still be usable at this moment. An error leaves the
    request as it was, so that the holder can post again.
    """
    with desk.sessions.begin() as session:
        request = _locked(session, request_id, actor=actor)
        if request.status is SignRequestStatus.SIGNED:
            _require_same(session, request, signature)
            return request
        _require_open(request, at=at)
        signer = certificate_for(session, request.certificate_id, at=at)
        _finish(desk, session, request, signer, signature, at=at)
        return request


def cancel(desk: Desk, request_id: uuid.UUID, *, at: datetime, actor: str) -> SignRequest:
    """Give up an open request and its document; a signed one cannot be cancelled."""
    with desk.sessions.begin() as session:
        request = _locked(session, request_id, actor=actor)
        if request.status is SignRequestStatus.SIGNED:
            raise SignRequestClosed("the document is already signed")
        if request.status in OPEN:
            request.status = SignRequestStatus.CANCELLED
            withdraw(session, request, at=at)
            _record(session, request, "sign.cancelled", at=at, actor=actor)
    desk.documents.remove(request_id)
    return request


def get(session: Session, request_id: uuid.UUID, *, actor: str) -> SignRequest:
    """Return a caller's own request; raises SignRequestNotFound, also for somebody else's."""
    request = session.get(SignRequest, request_id)
    if request is None or request.actor != actor:
        raise SignRequestNotFound(f"there is no sign request {request_id}")
    return request


def signed_document(
    desk: Desk, request_id: uuid.UUID, *, at: datetime, actor: str
) -> tuple[SignRequest, BinaryIO]:
    """Open the signed document of a request; the caller closes it."""
    with desk.sessions() as session:
        request = get(session, request_id, actor=actor)
    _require_signed(request, at=at)
    return request, desk.documents.open(request_id)


def open_requests(session: Session, *, before: datetime) -> list[SignRequest]:
    """List intents of server keys that were not finished before a time: what a crash left."""
    query = (
        select(SignRequest)
        .where(SignRequest.status == SignRequestStatus.PREPARED, SignRequest.created_at < before)
        .order_by(SignRequest.id)
    )
    return list(session.scalars(query))


def _stage(
    desk: Desk, source: BinaryIO, order: SignOrder, signer: SigningCertificate, *, at: datetime
) -> tuple[Prepared, int]:
    """Prepare the document on the disk; returns its size too."""
    options = replace(order.options, level=desk.policy.level(order.level), signing_time=at)
    beside = order.format is SignatureFormat.CADES
    algorithm = _algorithm(desk, signer)
    # a crash before the intent was committed may have left a file that no row speaks of
    desk.documents.remove(order.request_id)
    with desk.documents.create(order.request_id) as staged:
        prepared: Prepared
        if beside:
            prepared = prepare_beside(source, options, signer.chain, algorithm)
        else:
            prepared = desk.prepare(
                source, staged, options=options, signer=signer.chain, algorithm=algorithm
            )
        flush_to_disk(staged)
        return prepared, size_of(staged)


def _algorithm(desk: Desk, signer: SigningCertificate) -> SignatureAlgorithm:
    """Choose by policy, but for keys elsewhere what every SIM and service makes."""
    if is_remote(signer.row.key_uri):
        return signer.suited_algorithm
    return desk.policy.algorithm(signer.suited_algorithm)


def _waits_for(desk: Desk, signer: SigningCertificate, prepared: Prepared) -> SignRequestStatus:
    now = signer.answers_now or answers_now(desk, signer.row, prepared.algorithm)
    return SignRequestStatus.PREPARED if now else SignRequestStatus.WAITING


def _is_to_ask(request: SignRequest, signer: SigningCertificate) -> bool:
    return request.status is SignRequestStatus.WAITING and is_remote(signer.row.key_uri)


def _raw_signature(desk: Desk, request: SignRequest, signer: SigningCertificate) -> bytes:
    if signer.row.key_uri is None:
        raise KeyNotHere(f"the key of certificate {signer.row.serial_number} is with its holder")
    prepared = prepared_of(request)
    if is_remote(signer.row.key_uri):
        return signature_now(desk, signer.row, prepared, request.file_name)
    key = desk.keys.open(signer.row.key_uri)
    return algorithms.sign(key, KeySignatureAlgorithm(prepared.algorithm), prepared.to_be_signed)


def _finish(
    desk: Desk,
    session: Session,
    request: SignRequest,
    signer: SigningCertificate,
    signature: bytes,
    *,
    at: datetime,
) -> None:
    """Embed, flush to disk, then say so in the rows of the caller's transaction."""
    prepared = prepared_of(request)
    with desk.documents.open(request.id) as staged:
        # a crash between writing the file and committing the rows leaves the gap filled
        work = Finish(desk, staged, signer.chain, signature, at)
        finished = work.anew(prepared, when_no_timestamp=request.when_no_timestamp)
        flush_to_disk(staged)
        document_sha256, size = sha256_of(staged, prefix=finished.prefix)
    request.status = SignRequestStatus.SIGNED
    request.completed_at = at
    request.reached_level = finished.level
    session.add(
        Signature(
            sign_request_id=request.id,
            certificate_id=request.certificate_id,
            signed_at=at,
            level=finished.level,
            field=prepared.field,
            document_sha256=document_sha256,
            document_size=size,
            signature_sha256=hashlib.sha256(signature).hexdigest(),
        )
    )
    record_proof(
        session,
        request.id,
        Version(finished.level, finished.proven_until, document_sha256, size),
        at=at,
    )
    if finished.level != prepared.level:
        queue_upgrade(session, request, at=at)
    _record(
        session,
        request,
        "sign.signed",
        at=at,
        actor=request.actor,
        sha256=document_sha256,
        level=finished.level,
    )


def fail(desk: Desk, request_id: uuid.UUID, code: str, *, at: datetime, actor: str) -> None:
    """Close an open request with the code of the error that ended it, and forget its document."""
    with desk.sessions.begin() as session:
        request = _locked(session, request_id, actor=actor)
        if request.status not in OPEN:
            return
        request.status = SignRequestStatus.FAILED
        request.error_code = code
        _record(session, request, "sign.failed", at=at, actor=actor, error=code)
    desk.documents.remove(request_id)


def _locked(session: Session, request_id: uuid.UUID, *, actor: str) -> SignRequest:
    query = select(SignRequest).where(SignRequest.id == request_id).with_for_update()
    request = session.scalar(query)
    if request is None or request.actor != actor:
        raise SignRequestNotFound(f"there is no sign request {request_id}")
    return request


def _require_open(request: SignRequest, *, at: datetime) -> None:
    if request.status not in OPEN:
        raise SignRequestClosed(f"the sign request is {request.status}")
    if request.status is SignRequestStatus.WAITING and at >= request.expires_at:
        raise SignRequestClosed("the sign request has expired")


def _require_signed(request: SignRequest, *, at: datetime | None = None) -> None:
    if request.status is SignRequestStatus.SIGNED:
        return
    if request.status in OPEN and (at is None or at < request.expires_at):
        raise SignRequestNotSigned("the document still waits for its signature")
    raise SignRequestClosed(f"the sign request is {request.status}")


def _require_same(session: Session, request: SignRequest, signature: bytes) -> None:
    signed = session.get_one(Signature, request.id)
    if signed.signature_sha256 != hashlib.sha256(signature).hexdigest():
        raise SignatureConflict("this request was signed with another signature")


def _record(
    session: Session,
    request: SignRequest,
    action: str,
    *,
    at: datetime,
    actor: str,
    **facts: str,
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="sign_request",
        object_id=str(request.id),
        after={
            "status": request.status,
            "certificate": str(request.certificate_id),
            "file": request.file_name,
            **facts,
        },
    )
