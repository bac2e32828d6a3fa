"""Issuing, in two transactions: what is meant is committed before the authority's key is touched.

    1  the request is locked and checked, the key is claimed, the TBSCertificate is built;
       row ISSUING with that TBSCertificate, audit entry; commit
    2  the row is locked; the twin is linted, the authority signs the linted octets, the result is
       verified; row ACTIVE, status change, OCSP answer, audit entry; commit

A crash between the two leaves an open intent. It is shown to an administrator and abandoned; no
code path signs an intent that it did not just record itself, so nothing is ever signed twice.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from ca import (
    authorities,
    csr,
    lint,
    names,
    ocsp,
    organizations,
    profiles,
    public_keys,
    requests,
    subscribers,
    tbs,
    tbs_octets,
)
from ca.authorities import AuthoritySigner
from ca.errors import (
    CertificateNotFound,
    IntentNotOpen,
    KeyUnacceptable,
    LintFailed,
    RequestInvalid,
    SignedBytesDiffer,
    TransitionNotAllowed,
)
from ca.issue_signing import sign
from ca.models import (
    Authority,
    Certificate,
    CertificateRequest,
    CertificateStatus,
    CertificateStatusChange,
    RequestState,
)
from ca.profiles import Profile
from ca.subjects import subject_for
from ca.tbs import CertificateFacts
from db import audit
from db.base import uuid7
from hsm.algorithms import KeyAlgorithm
from hsm.errors import HsmError
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore

MakeKey = Callable[[str, KeyAlgorithm], KeyURI]
"""Makes a key under a label on a token; the label holds the id of the certificate to come."""


@dataclass(frozen=True)
class _Intent:
    """What the first transaction hands to the second, in this process only."""

    certificate_id: uuid.UUID
    to_be_signed: bytes
    facts: CertificateFacts
    signer: AuthoritySigner


def issue(
    sessions: sessionmaker[Session],
    *,
    request_id: uuid.UUID,
    keys: KeyStore,
    at: datetime,
    actor: str,
    make_key: MakeKey | None = None,
) -> Certificate:
    """Issue the certificate of an approved request; it commits twice, by its own sessions.

    `make_key` is needed where the request leaves the making of the key to the server. Raises
    TransitionNotAllowed when the request is not approved (or was issued meanwhile),
    KeyUnacceptable, SubjectInvalid, AuthorityUnavailable, LintFailed (the intent is abandoned,
    the request is approved again) or SignedBytesDiffer (the intent stays open).
    """
    intent = _record_intent(sessions, request_id, _Context(keys, at, actor, make_key))
    try:
        return _complete(sessions, intent, keys=keys, at=at, actor=actor)
    except LintFailed as failure:
        with sessions.begin() as session:
            abandon(
                session,
                certificate_id=intent.certificate_id,
                note="; ".join(failure.findings),
                at=at,
                actor=actor,
            )
        raise


def open_intents(session: Session, *, before: datetime | None = None) -> list[Certificate]:
    """Return the intents that were never completed, oldest first; after a crash, the open ones.

    `before` leaves out those that another process may be completing right now.
    """
    query = select(Certificate).where(Certificate.status == CertificateStatus.ISSUING)
    if before is not None:
        query = query.where(Certificate.created_at < before)
    return list(session.scalars(query.order_by(Certificate.id)))


def abandon(
    session: Session, *, certificate_id: uuid.UUID, note: str, at: datetime, actor: str
) -> Certificate:
    """Give an open intent up for ever; its request is approved again and can be issued anew.

    The serial number is spent and the stored TBSCertificate is kept: it says what would have to
    be revoked if such a certificate ever turned up. Raises IntentNotOpen.
    """
    certificate = _locked_intent(session, certificate_id)
    certificate.status = CertificateStatus.ABANDONED
    if certificate.request_id is not None:
        request = requests.locked(session, certificate.request_id)
        requests.advance(session, request, RequestState.APPROVED, at=at, actor=actor)
    _add_change(session, certificate, at=at, actor=actor)
    _record(session, certificate, action="certificate.abandon", at=at, actor=actor, note=note)
    return certificate


@dataclass(frozen=True)
class _Context:
    keys: KeyStore
    at: datetime
    actor: str
    make_key: MakeKey | None


def _record_intent(
    sessions: sessionmaker[Session], request_id: uuid.UUID, context: _Context
) -> _Intent:
    with sessions.begin() as session:
        request = requests.locked(session, request_id)
        if request.kind not in requests.ISSUING_KINDS:
            raise RequestInvalid(
                f"a request to {request.kind.value} ends in no certificate", reason="no_certificate"
            )
        if RequestState.KEY_GENERATED not in requests.TRANSITIONS[request.state]:
            raise TransitionNotAllowed(request.state.value, RequestState.KEY_GENERATED.value)
        authority = authorities.issuing(session)
        signer = authorities.signer(authority, keys=context.keys)
        profile = profiles.get(request.profile)
        certificate_id = uuid7()
        key_uri, public_key = _public_key(request, profile, certificate_id, context)
        facts = _facts(session, request, authority, signer, public_key, context.at)
        octets = tbs_octets.write(facts, algorithm=signer.algorithm)
        certificate = _intent_row(request, authority, facts, octets, context.at)
        certificate.id, certificate.key_uri = certificate_id, str(key_uri) if key_uri else None
        public_keys.claim(
            session,
            spki_sha256=public_keys.fingerprint(facts.public_key),
            subscriber_id=request.subscriber_id,
            at=context.at,
        )
        session.add(certificate)
        session.flush()
        at, actor = context.at, context.actor
        requests.advance(session, request, RequestState.KEY_GENERATED, at=at, actor=actor)
        _record(session, certificate, action="certificate.intend", at=at, actor=actor)
    return _Intent(certificate.id, octets, facts, signer)


def _public_key(
    request: CertificateRequest, profile: Profile, certificate_id: uuid.UUID, context: _Context
) -> tuple[KeyURI | None, CertificatePublicKeyTypes]:
    if request.csr is not None:
        return None, csr.parse(request.csr, rules=profile.keys).public_key
    if context.make_key is None or request.key_algorithm is None:
        raise RequestInvalid(
            "the key is to be made here, and there is no token to make it on", reason="no_token"
        )
    try:
        uri = context.make_key(f"antin-{certificate_id}", KeyAlgorithm(request.key_algorithm))
        public_key = context.keys.open(uri).public_key()
    except HsmError as e:
        raise KeyUnacceptable("not_made", str(e)) from e
    public_keys.check_strength(public_key, rules=profile.keys)
    return uri, public_key


def _facts(
    session: Session,
    request: CertificateRequest,
    authority: Authority,
    signer: AuthoritySigner,
    public_key: CertificatePublicKeyTypes,
    at: datetime,
) -> CertificateFacts:
    profile = profiles.get(request.profile)
    subject = subject_for(
        profile,
        subscriber=subscribers.get(session, request.subscriber_id),
        organization=organizations.get(session, request.organization_id),
    )
    not_before, not_after = profiles.validity(
        profile, request=request.kind, at=at, issuer_not_after=authority.not_after
    )
    serial = tbs.new_serial_number()
    return CertificateFacts(
        profile=profile,
        serial_number=serial,
        subject=names.build(subject),
        public_key=public_key,
        not_before=not_before,
        not_after=not_after,
        issuer=signer.certificate,
        issuer_slug=authority.slug,
        public_url=authority.public_url,
        crl_shard=tbs.shard_of(serial, authority.crl_shards),
    )


def _intent_row(
    request: CertificateRequest,
    authority: Authority,
    facts: CertificateFacts,
    to_be_signed: bytes,
    at: datetime,
) -> Certificate:
    common_name = names.common_name(facts.subject)
    return Certificate(
        authority_id=authority.id,
        serial_number=tbs.serial_text(facts.serial_number),
        kind=facts.profile.kind,
        status=CertificateStatus.ISSUING,
        profile=facts.profile.identifier,
        subscriber_id=request.subscriber_id,
        organization_id=request.organization_id,
        device_id=request.device_id,
        predecessor_id=request.certificate_id,
        request_id=request.id,
        subject=names.written(facts.subject),
        common_name=common_name,
        search_name=names.fold(common_name),
        spki_sha256=public_keys.fingerprint(facts.public_key),
        not_before=facts.not_before,
        not_after=facts.not_after,
        tbs=to_be_signed,
        created_at=at,
        crl_shard=facts.crl_shard,
    )


def _complete(
    sessions: sessionmaker[Session], intent: _Intent, *, keys: KeyStore, at: datetime, actor: str
) -> Certificate:
    with sessions.begin() as session:
        certificate = _locked_intent(session, intent.certificate_id)
        linted = certificate.tbs
        if linted is None or linted != intent.to_be_signed:
            raise SignedBytesDiffer("the stored intent is not the one that was made")
        lint.check(linted, facts=intent.facts, algorithm=intent.signer.algorithm)
        encoded = sign(linted, intent.signer)
        certificate.status = CertificateStatus.ACTIVE
        certificate.der, certificate.tbs = encoded, None
        certificate.sha256_fingerprint = hashlib.sha256(encoded).hexdigest()
        certificate.issued_at = at
        _add_change(session, certificate, at=at, actor=actor)
        if certificate.request_id is not None:
            request = requests.locked(session, certificate.request_id)
            requests.advance(session, request, RequestState.ISSUED, at=at, actor=actor)
        ocsp.presign(session, certificate=certificate, keys=keys, at=at)
        _record(session, certificate, action="certificate.issue", at=at, actor=actor)
    return certificate


def _locked_intent(session: Session, certificate_id: uuid.UUID) -> Certificate:
    certificate = session.get(
        Certificate, certificate_id, with_for_update=True, populate_existing=True
    )
    if certificate is None:
        raise CertificateNotFound(f"no certificate {certificate_id}")
    if certificate.status is not CertificateStatus.ISSUING:
        raise IntentNotOpen(f"the intent is {certificate.status.value}")
    return certificate


def _add_change(session: Session, certificate: Certificate, *, at: datetime, actor: str) -> None:
    session.add(
        CertificateStatusChange(
            id=uuid7(),
            certificate_id=certificate.id,
            at=at,
            status=certificate.status,
            actor=actor,
        )
    )
    session.flush()


def _record(
    session: Session,
    certificate: Certificate,
    *,
    action: str,
    at: datetime,
    actor: str,
    note: str | None = None,
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="certificate",
        object_id=str(certificate.id),
        after={
            "status": certificate.status.value,
            "serial_number": certificate.serial_number,
            "subject": certificate.subject,
            "profile": certificate.profile,
            "tbs_sha256": hashlib.sha256(certificate.tbs).hexdigest() if certificate.tbs else None,
            "sha256_fingerprint": certificate.sha256_fingerprint,
            "request_id": str(certificate.request_id) if certificate.request_id else None,
            "note": note,
        },
    )
