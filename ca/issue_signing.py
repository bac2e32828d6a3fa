"""Signing linted octets with an authority's key, and nothing but those."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca import tbs
from ca.authority_signers import AuthoritySigner
from ca.errors import AuthorityUnavailable, CaError, SignedBytesDiffer
from hsm.errors import HsmError, SignatureMismatch


def sign(linted: bytes, signer: AuthoritySigner) -> bytes:
    """Return the certificate's DER, made sure to hold exactly the linted octets.

    Every signature is verified once before it is stored: one of a token by the key itself, before
    it gives it out (`hsm.token_keys`), one of a key in memory here.

    Raises SignedBytesDiffer, or AuthorityUnavailable when the key cannot be used.
    """
    outcome = _certificate(linted, signer.sign(linted), signer)
    if isinstance(outcome, CaError):
        raise outcome
    return outcome


def sign_all(linted: Sequence[bytes], signer: AuthoritySigner) -> list[bytes | CaError]:
    """Sign many as `sign` does; in the place of one that failed stands what `sign` raises."""
    return [
        _certificate(octets, signature, signer)
        for octets, signature in zip(linted, signer.sign_all(linted), strict=True)
    ]


def _certificate(
    linted: bytes, signature: bytes | HsmError, signer: AuthoritySigner
) -> bytes | CaError:
    if isinstance(signature, SignatureMismatch):
        return SignedBytesDiffer(f"the authority's signature does not verify: {signature}")
    if isinstance(signature, HsmError):
        return AuthorityUnavailable(str(signature))
    encoded = tbs.assemble(
        linted, algorithm_identifier=signer.algorithm_identifier, signature=signature
    )
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        if certificate.tbs_certificate_bytes != linted:
            return SignedBytesDiffer("the certificate holds other octets than were linted")
        if signer.in_process:
            certificate.verify_directly_issued_by(signer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return SignedBytesDiffer("the certificate does not verify under its issuer")
    return encoded
