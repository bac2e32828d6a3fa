"""A key in a person's hands: the signature is made on their own device and sent in.

``start`` says what is to be signed; somebody carries it to the holder and posts the raw signature;
``collect`` finds it, checks it against the holder's public key and gives it back. Where posted
signatures are kept is the caller's business: this room has no database.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from hsm.algorithms import PublicKey, SignatureAlgorithm, verify
from hsm.errors import KeyUriInvalid
from hsm.key_uri import KeyScheme, KeyURI
from hsm.providers import Pending, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderKey:
    """A deferred key of one holder. *posted* gives the signature sent in for a reference."""

    uri: KeyURI
    public_key: PublicKey
    algorithm: SignatureAlgorithm
    posted: Callable[[str], bytes | None]

    def __post_init__(self) -> None:
        if self.uri.scheme is not KeyScheme.HOLDER:
            raise KeyUriInvalid("a holder's key has a holder: URI")

    def start(self, to_be_signed: bytes, prompt: Prompt) -> Pending:
        """Describe the signature that is wanted, under a reference nobody can guess."""
        return Pending(
            uri=self.uri,
            reference=secrets.token_urlsafe(18),
            to_be_signed=to_be_signed,
            prompt=prompt,
        )

    def collect(self, pending: Pending) -> bytes | None:
        """Give the posted signature, or None; raises SignatureMismatch when it is another's."""
        signature = self.posted(pending.reference)
        if signature is None:
            return None
        verify(self.public_key, self.algorithm, signature, pending.to_be_signed)
        return signature
