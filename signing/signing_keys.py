"""From a certificate in the registry to what can sign with it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from cryptography import x509
from sqlalchemy.orm import Session

from ca import authority_signers, registry
from ca.errors import CertificateNotUsable
from ca.models import Authority, Certificate
from ca.models_issuers import KnownIssuer
from hsm import algorithms
from hsm.key_uri import KeyURI
from pdf.algorithms import SignatureAlgorithm
from pdf.signer import SignerChain

if TYPE_CHECKING:
    from hsm.algorithms import PublicKey


@dataclass(frozen=True)
class SigningCertificate:
    """A certificate, its chain, and the algorithm that suits its key."""

    row: Certificate
    chain: SignerChain
    suited_algorithm: SignatureAlgorithm

    @property
    def answers_now(self) -> bool:
        """Whether this server can use the private key at once."""
        return self.row.key_uri is not None and KeyURI.parse(self.row.key_uri).answers_now


def certificate_for(
    session: Session, certificate_id: uuid.UUID, *, at: datetime
) -> SigningCertificate:
    """Return a certificate that is in force at a time, with its issuers in force too.

    Raises CertificateNotFound or CertificateNotUsable with the reason.
    """
    return _with_chain(session, registry.usable_now(session, certificate_id, at=at))


def unchecked_certificate(session: Session, certificate_id: uuid.UUID) -> SigningCertificate:
    """Return a certificate whether it may sign or not, for looking ahead only.

    Raises CertificateNotFound, or CertificateNotUsable when only its number is known.
    """
    return _with_chain(session, registry.get(session, str(certificate_id)))


def _with_chain(session: Session, row: Certificate) -> SigningCertificate:
    if row.der is None:
        raise CertificateNotUsable("not_held", "only its number is known, not the certificate")
    others = _issuers(session, row)
    public_key = cast("PublicKey", x509.load_der_x509_certificate(row.der).public_key())
    return SigningCertificate(
        row=row,
        chain=SignerChain(certificate=row.der, others=tuple(others)),
        suited_algorithm=SignatureAlgorithm(algorithms.default_for(public_key)),
    )


def _issuers(session: Session, row: Certificate) -> list[bytes]:
    """Return the certificates above one: our own chain, or the one issuer elsewhere, if known."""
    if row.authority_id is not None:
        issuer = session.get_one(Authority, row.authority_id)
        return authority_signers.certificate_chain(session, issuer)
    known = session.get_one(KnownIssuer, row.known_issuer_id)
    return [known.certificate] if known.certificate is not None else []
