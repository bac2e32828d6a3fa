"""Which CA an OCSP request is about, and the delegated responder that speaks for it.

Opening a responder's key and hashing its issuer's name and key cost more than an answer, so both
are done once; the table is looked at again now and then, and when a responder has run out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from sqlalchemy import select

from ca import ocsp_messages as messages
from ca.authority_signers import signer
from ca.errors import AuthorityNotFound
from ca.models import Authority, AuthorityRole

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from ca.ocsp_messages import OcspRequest
    from hsm.providers import KeyStore

RELOAD_AFTER: Final = timedelta(seconds=30)
"""Between two looks for new authorities, so that strangers' requests cannot cause many."""
_DIGESTS: Final = ("sha1", "sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA of ours with the responder that speaks for it."""

    authority_id: uuid.UUID
    certificate: x509.Certificate
    name_and_key: bytes
    """What the CertID (SHA-1) of each of its certificates begins with."""
    responder: messages.Responder
    signs_in_process: bool
    """Whether an answer is signed by a key in memory, so that nobody waits for a device."""
    until: datetime
    authorities: Mapping[int, uuid.UUID]
    """Our own authorities whose certificates this CA signed, by serial number."""


class Issuers:
    """The table; threads may share it, since it is replaced as a whole, never changed."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys = keys
        self._by_name: dict[tuple[str, bytes, bytes], Issuer] = {}
        self._by_id: dict[uuid.UUID, Issuer] = {}
        self._loaded_at: datetime | None = None

    def asked_about(self, session: Session, asked: OcspRequest, at: datetime) -> Issuer | None:
        """Find the one CA that a request names; None when it names another, or several."""
        wanted = {certificate.issuer for certificate in asked.certificates}
        found = self._find(wanted, at)
        if found is None and self._may_reload(at):
            self._load(session, at)
            found = self._find(wanted, at)
        return found

    def known(self, asked: OcspRequest, at: datetime) -> Issuer | None:
        """Find it without a database; None when the table has to be looked at again."""
        return self._find({certificate.issuer for certificate in asked.certificates}, at)

    def with_id(self, session: Session, authority_id: uuid.UUID, at: datetime) -> Issuer:
        """Find a CA by its row; AuthorityNotFound when it has no responder in force."""
        found = self._by_id.get(authority_id)
        stale = self._loaded_at is None or abs(at - self._loaded_at) >= RELOAD_AFTER
        if found is None or stale or found.until <= at:
            self._load(session, at)
            found = self._by_id.get(authority_id)
        if found is None:
            raise AuthorityNotFound(f"no OCSP responder for the authority {authority_id}")
        return found

    def expire(self) -> None:
        """Look at the table again before the next answer: an authority has changed."""
        self._by_name, self._by_id, self._loaded_at = {}, {}, None

    def _find(self, wanted: set[tuple[str, bytes, bytes]], at: datetime) -> Issuer | None:
        found = [self._by_name[name] for name in wanted if name in self._by_name]
        if len(found) < len(wanted) or len({issuer.authority_id for issuer in found}) != 1:
            return None
        return found[0] if found[0].until > at else None

    def _may_reload(self, at: datetime) -> bool:
        return self._loaded_at is None or abs(at - self._loaded_at) >= RELOAD_AFTER

    def _load(self, session: Session, at: datetime) -> None:
        rows = session.scalars(select(Authority).order_by(Authority.created_at)).all()
        by_id = {
            responder.issuer_id: self._open(responder, rows)
            for responder in rows
            if responder.role is AuthorityRole.OCSP
            and responder.revoked_at is None
            and responder.not_before <= at < responder.not_after
        }
        self._by_name = {
            (digest, *messages.issuer_hashes(issuer.certificate, digest=digest)): issuer
            for issuer in by_id.values()
            for digest in _DIGESTS
        }
        self._by_id = {issuer.authority_id: issuer for issuer in by_id.values()}
        self._loaded_at = at

    def _open(self, responder: Authority, rows: Sequence[Authority]) -> Issuer:
        above = next(row for row in rows if row.id == responder.issuer_id)
        certificate = x509.load_der_x509_certificate(above.certificate)
        opened = signer(responder, keys=self._keys)
        below = {
            x509.load_der_x509_certificate(row.certificate).serial_number: row.id
            for row in rows
            if row.issuer_id == above.id
        }
        return Issuer(
            authority_id=above.id,
            certificate=certificate,
            name_and_key=messages.name_and_key(certificate),
            responder=messages.Responder(opened, certificate),
            signs_in_process=opened.in_process,
            until=responder.not_after,
            authorities=below,
        )
