"""Signing linted octets with an authority's key, and nothing but those."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca import tbs
from ca.authority_signers import AuthoritySigner
from ca.errors import SignedBytesDiffer
from hsm.errors import HsmError, SignatureMismatch


def sign(linted: bytes, signer: AuthoritySigner) -> bytes:
    """Return the certificate's DER, made sure to hold exactly the linted octets.

    Every signature is verified once before it is stored: one of a token by the key itself, before
    it gives it out (`hsm.token_keys`), one of a key in memory here.

    Raises SignedBytesDiffer, or AuthorityUnavailable when the key cannot be used.
    """
    try:
        signature = signer.sign(linted)
    except SignatureMismatch as e:
        raise SignedBytesDiffer(f"the authority's signature does not verify: {e}") from e
    encoded = tbs.assemble(
        linted, algorithm_identifier=signer.algorithm_identifier, signature=signature
    )
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        if certificate.tbs_certificate_bytes != linted:
            raise SignedBytesDiffer("the certificate holds other octets than were linted")
        if signer.in_process:
            certificate.verify_directly_issued_by(signer.certificate)
    except (ValueError, TypeError, InvalidSignature, HsmError) as e:
        raise SignedBytesDiffer("the certificate does not verify under its issuer") from e
    return encoded
