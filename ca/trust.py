"""Which certificates a path may end at: our own root, and rows of the database.

An anchor is trusted because somebody put it there, so adding one is an audited act. Anchors in
files are read by `ca.anchor_files`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, LiteralString

from cryptography import x509
from sqlalchemy import select

from ca import names
from ca.anchor_files import certificates_in
from ca.certificate_fields import subject_of
from ca.errors import AnchorUnreadable, TrustAnchorNotFound, TrustAnchorTaken
from ca.models import Authority, AuthorityRole
from ca.models_trust import TrustAnchor
from ca.parsed_certificates import CertificateUnreadable, parse
from db.audited import Audited

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from sqlalchemy.orm import Session

    from db.reads import Reads


def anchors(session: Session) -> list[bytes]:
    """List the DER certificates that the service trusts: its own root, then the added ones."""
    roots = select(Authority.certificate).where(Authority.role == AuthorityRole.ROOT)
    added = select(TrustAnchor.certificate).order_by(TrustAnchor.added_at, TrustAnchor.id)
    own = session.scalars(roots.order_by(Authority.created_at)).all()
    return [bytes(one) for one in (*own, *session.scalars(added))]


def own_intermediates(session: Session) -> list[bytes]:
    """List our CA certificates below the root, which a signer may have left out of a document."""
    query = select(Authority.certificate).where(Authority.role == AuthorityRole.ISSUING)
    return [bytes(one) for one in session.scalars(query)]


TRUSTED_MARK: Final[LiteralString] = """
SELECT (SELECT md5(string_agg(md5(certificate), ',' ORDER BY added_at, id)) FROM trust_anchors),
    (SELECT md5(string_agg(role || md5(certificate), ',' ORDER BY created_at, id))
        FROM authorities WHERE role IN ('root', 'issuing')),
    (SELECT md5(string_agg(sha256, ',' ORDER BY id)) FROM trusted_lists)
"""


def trusted_mark(registry: Reads) -> tuple[object, ...]:
    """Return what changes whenever anchors, lists or intermediates do; raises StatementFailed.

    Whoever keeps something made from them asks for this before each use: a certificate that is
    trusted no more is then trusted by no process.
    """
    (row,) = registry.read(TRUSTED_MARK)
    return row


def add_anchor(session: Session, certificate: bytes, *, at: datetime, actor: str) -> TrustAnchor:
    """Trust a CA certificate (PEM or DER) from now on.

    AnchorUnreadable when it is none, TrustAnchorTaken when it is trusted already.
    """
    encoded = one_certificate(certificate)
    _require_ca(encoded)
    fingerprint = hashlib.sha256(encoded).hexdigest()
    taken = select(TrustAnchor.id).where(TrustAnchor.sha256_fingerprint == fingerprint)
    if session.scalar(taken) is not None:
        raise TrustAnchorTaken(fingerprint)
    made = TrustAnchor(
        sha256_fingerprint=fingerprint,
        subject=names.written(subject_of(x509.load_der_x509_certificate(encoded))),
        certificate=encoded,
        added_at=at,
        added_by=actor,
    )
    session.add(made)
    session.flush()
    _ANCHORS.record(session, made, "trust_anchor.add", at=at, actor=actor)
    return made


def one_certificate(data: bytes) -> bytes:
    """Read one certificate, PEM or DER, as DER; AnchorUnreadable for none or several."""
    found = certificates_in(data, "the certificate")
    if len(found) != 1:
        raise AnchorUnreadable("one certificate at a time")
    return found[0]


def remove_anchor(session: Session, anchor_id: uuid.UUID, *, at: datetime, actor: str) -> None:
    """Trust an added certificate no more; TrustAnchorNotFound when there is none of that id."""
    found = session.get(TrustAnchor, anchor_id)
    if found is None:
        raise TrustAnchorNotFound(str(anchor_id))
    _ANCHORS.record_removal(session, found, "trust_anchor.remove", at=at, actor=actor)
    session.delete(found)
    session.flush()


def list_anchors(session: Session) -> list[TrustAnchor]:
    """List the added anchors, oldest first."""
    return list(session.scalars(select(TrustAnchor).order_by(TrustAnchor.added_at, TrustAnchor.id)))


def _require_ca(encoded: bytes) -> None:
    try:
        parsed = parse(encoded)
    except CertificateUnreadable as error:
        raise AnchorUnreadable("the certificate cannot be read") from error
    constraints = parsed.extension(x509.BasicConstraints)
    # Version-1 roots have no extensions at all; some are still in use.
    if parsed.extensions and (constraints is None or not constraints.ca):
        raise AnchorUnreadable("this is not the certificate of a CA")


def _facts(anchor: TrustAnchor) -> dict[str, object]:
    return {"subject": anchor.subject, "sha256_fingerprint": anchor.sha256_fingerprint}


_ANCHORS: Final = Audited("trust_anchor", _facts)
