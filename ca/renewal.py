"""Services of ours get a new certificate in time, and any certificate of ours can be revoked.

OCSP responders and the time-stamp authority are renewed with a new key before their certificate
runs out; the old one stays in the books, for what it has signed. Revoking an authority stops its
use in the same moment, and tells of it by its issuer's OCSP answers and CRL like any revocation.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, select, update

from ca.authority_profiles import build
from ca.authority_signers import signer
from ca.certificate_fields import subject_of
from ca.crl_messages import entry_der
from ca.errors import (
    AlreadyRevoked,
    AuthorityNotFound,
    AuthorityUnavailable,
    ReasonInvalid,
    TransitionNotAllowed,
)
from ca.models import Authority, AuthorityRole
from ca.models_publication import OcspAnswer
from ca.revocation_reasons import RevocationReason
from db import audit, jobs
from db.base import uuid7
from hsm.algorithms import KeyAlgorithm
from hsm.errors import HsmError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from sqlalchemy.orm import Session

    from hsm.algorithms import PrivateKey
    from hsm.key_uri import KeyURI
    from hsm.providers import KeyStore

    MakeKey = Callable[[str, KeyAlgorithm], KeyURI]

RENEW_BEFORE: Final = timedelta(days=30)
ESTABLISH_LOCK: Final = 0x414E54494E
"""Key of the advisory lock under which authorities are made, one process at a time."""
PUBLISH_JOB: Final = "ca.publish_crl"

SERVICES: Final = frozenset({AuthorityRole.OCSP, AuthorityRole.TSA})


def renew_due(
    session: Session, *, keys: KeyStore, make_key: MakeKey, at: datetime, actor: str
) -> list[Authority]:
    """Renew every service whose certificate ends soon; those that were made.

    May run at any time and in several processes at once. A service that already lasts as long as
    its CA is left alone.
    """
    session.execute(select(func.pg_advisory_xact_lock(ESTABLISH_LOCK)))
    made = []
    for current in _in_use(session):
        issuer = session.get_one(Authority, current.issuer_id)
        ends = current.not_after
        if ends <= at + RENEW_BEFORE and ends < issuer.not_after and _may_issue(issuer, at):
            made.append(renew(session, current, keys=keys, make_key=make_key, at=at, actor=actor))
    return made


def renew(
    session: Session,
    current: Authority,
    *,
    keys: KeyStore,
    make_key: MakeKey,
    at: datetime,
    actor: str,
) -> Authority:
    """Give a service a successor with a new key, the same name and the same term.

    Raises AuthorityUnavailable when its CA, or a key, cannot be used.
    """
    issuer = session.get_one(Authority, current.issuer_id)
    if current.role not in SERVICES or not _may_issue(issuer, at):
        raise AuthorityUnavailable(f"{current.slug} cannot be renewed by {issuer.slug}")
    slug = _next_slug(session, current.slug)
    before = x509.load_der_x509_certificate(current.certificate)
    key_uri, key = _new_key(slug, like=before.public_key(), keys=keys, make_key=make_key)
    begin = at.replace(microsecond=0)
    end = min(begin + (current.not_after - current.not_before), issuer.not_after)
    certificate = build(
        current.role,
        subject=subject_of(before),
        validity=(begin, end),
        key=key,
        issuer=signer(issuer, keys=keys),
        addresses=(current.public_url, issuer.slug),
    )
    made = Authority(
        id=uuid7(),
        slug=slug,
        role=current.role,
        issuer_id=issuer.id,
        common_name=current.common_name,
        key_uri=str(key_uri),
        public_url=current.public_url,
        certificate=certificate.public_bytes(Encoding.DER),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        crl_number=0,
        created_at=at,
    )
    session.add(made)
    session.flush()
    _record(session, made, "authority.renew", at=at, actor=actor, predecessor=current.slug)
    return made


def revoke_authority(
    session: Session,
    *,
    authority: Authority,
    reason: RevocationReason,
    at: datetime,
    actor: str,
) -> Authority:
    """Revoke the certificate of one of our authorities, for ever.

    A service is renewed first, because without a responder no status could be told. A root is not
    revoked: nobody above it could say so; it is taken out of the trust lists. Raises
    AlreadyRevoked, ReasonInvalid or TransitionNotAllowed.
    """
    session.refresh(authority, with_for_update=True)
    if authority.revoked_at is not None:
        raise AlreadyRevoked("revoked", "revoked")
    if authority.issuer_id is None or reason is RevocationReason.CERTIFICATE_HOLD:
        raise ReasonInvalid(
            "a root has nobody above it, and an authority is never put on hold", reason="authority"
        )
    if authority.role in SERVICES and not _has_successor(session, authority, at):
        raise TransitionNotAllowed("in use without a successor", "revoked")
    serial = x509.load_der_x509_certificate(authority.certificate).serial_number
    authority.revoked_at, authority.revocation_reason = at, reason
    authority.crl_entry = entry_der(serial, at, reason)
    session.flush()
    if authority.role is AuthorityRole.OCSP:
        # What it has signed is signed anew, on demand at first and then by the worker.
        answers = update(OcspAnswer).where(OcspAnswer.authority_id == authority.issuer_id)
        session.execute(answers.values(next_update=at))
    jobs.enqueue(
        session,
        job=PUBLISH_JOB,
        payload={"authority_id": str(authority.issuer_id), "shard": None},
        unique=str(authority.issuer_id),
    )
    _record(session, authority, "authority.revoke", at=at, actor=actor, reason=reason.value)
    return authority


def _in_use(session: Session) -> list[Authority]:
    """Return the newest of each service: one time-stamp authority, one responder for each CA."""
    rows = session.scalars(
        select(Authority)
        .where(Authority.role.in_(SERVICES), Authority.revoked_at.is_(None))
        .order_by(Authority.created_at, Authority.id)
    )
    newest: dict[tuple[AuthorityRole, UUID | None], Authority] = {}
    for row in rows:
        newest[row.role, row.issuer_id] = row
    return list(newest.values())


def _has_successor(session: Session, authority: Authority, at: datetime) -> bool:
    others = select(func.count()).where(
        Authority.role == authority.role,
        Authority.issuer_id == authority.issuer_id,
        Authority.id != authority.id,
        Authority.revoked_at.is_(None),
        Authority.not_before <= at,
        Authority.not_after > at,
    )
    return bool(session.scalar(others))


def _may_issue(issuer: Authority, at: datetime) -> bool:
    return issuer.revoked_at is None and issuer.not_before <= at < issuer.not_after


def _next_slug(session: Session, slug: str) -> str:
    stem, _, number = slug.rpartition("-")
    base = stem if stem and number.isdigit() else slug
    for count in range(2, 1000):
        wanted = f"{base}-{count}"
        if session.scalar(select(Authority.id).where(Authority.slug == wanted)) is None:
            return wanted
    raise AuthorityNotFound(f"no name left after {slug}")


def _new_key(
    slug: str, *, like: CertificatePublicKeyTypes, keys: KeyStore, make_key: MakeKey
) -> tuple[KeyURI, PrivateKey]:
    try:
        key_uri = make_key(slug, _algorithm(like))
        return key_uri, keys.open(key_uri)
    except HsmError as error:
        raise AuthorityUnavailable(f"{slug}: {error}") from error


def _algorithm(public_key: CertificatePublicKeyTypes) -> KeyAlgorithm:
    """Return the kind of key that the predecessor has."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return KeyAlgorithm(f"rsa-{public_key.key_size}")
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return KeyAlgorithm(f"p-{public_key.curve.key_size}")
    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return KeyAlgorithm.ED25519
    raise AuthorityUnavailable("the predecessor's key is of a kind that is not made here")


def _record(
    session: Session,
    authority: Authority,
    action: str,
    *,
    at: datetime,
    actor: str,
    **more: str,
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="authority",
        object_id=str(authority.id),
        after={"slug": authority.slug, "role": authority.role.value, **more},
    )
