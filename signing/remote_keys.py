"""From a certificate whose key is on a SIM or at a service to that key."""

from typing import TYPE_CHECKING, cast

from cryptography import x509

from ca.errors import CertificateNotUsable
from ca.models import Certificate
from hsm.algorithms import SignatureAlgorithm
from hsm.key_uri import KeyScheme, KeyURI
from hsm.later_keys import RemoteKey
from hsm.providers import Prompt
from hsm.refusals import Refusal, refused
from signing.desk import Desk
from signing.prepared_state import Prepared

if TYPE_CHECKING:
    from hsm.algorithms import PublicKey

_REMOTE = frozenset({KeyScheme.SIM, KeyScheme.CSC})


def is_remote(key_uri: str | None) -> bool:
    """Whether a provider is asked for signatures of this key."""
    return key_uri is not None and KeyURI.parse(key_uri).scheme in _REMOTE


def open_remote(desk: Desk, certificate: Certificate, algorithm: str) -> RemoteKey:
    """Open the key of a certificate; raises HsmError, and nothing is sent yet."""
    if certificate.der is None or certificate.key_uri is None:
        raise CertificateNotUsable("not_held", "only its number is known, not the certificate")
    parsed = x509.load_der_x509_certificate(certificate.der)
    return desk.remote.open(
        certificate.key_uri,
        public_key=cast("PublicKey", parsed.public_key()),
        algorithm=SignatureAlgorithm(algorithm),
        certificate=certificate.der,
    )


def signature_now(desk: Desk, certificate: Certificate, prepared: Prepared, text: str) -> bytes:
    """Have a service sign that waits for nobody; raises HsmError."""
    key = open_remote(desk, certificate, prepared.algorithm)
    signature = key.collect(key.start(prepared.to_be_signed, Prompt(text=text)))
    if signature is None:
        raise refused(Refusal.PROVIDER_ERROR, "the service keeps the signature waiting")
    return signature
