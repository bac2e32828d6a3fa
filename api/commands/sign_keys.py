"""The key that `antin sign` uses: at hand (a token, a file), or with somebody who is asked.

Both give signatures for a group of documents. A group has one document where the key is at hand,
and as many as one PIN covers where a phone or a service is asked (`sign_later`).
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, cast

import typer
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from api.settings import from_environment, secret_from_environment
from hsm import algorithms
from hsm.errors import PinRequired
from hsm.key_uri import KeyScheme, KeyURI
from hsm.providers import KeyStore
from hsm.refusals import Refusal, refused
from hsm.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hsm.algorithms import CheckingKey, PublicKey, SignatureAlgorithm
    from hsm.algorithms import SigningKey as PrivateKey

ASKED: Final = "prompt"
"""The kind of pin-source that asks a person at the terminal."""
_ELSEWHERE: Final = frozenset({KeyScheme.SIM, KeyScheme.CSC})


class SigningKey(Protocol):
    """What a command needs of a key. `together`: how many documents one confirmation covers."""

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """What it signs with."""
        ...

    @property
    def together(self) -> int:
        """How many documents are signed at a time."""
        ...

    def signatures(self, messages: Sequence[bytes], names: Sequence[str]) -> Sequence[bytes]:
        """Sign messages of documents with these names, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class KeyAtHand:
    """A key that answers at once."""

    key: PrivateKey

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The usual one of its kind."""
        return algorithms.default_for(self.key.public_key())

    @property
    def together(self) -> int:
        """One by one: nobody is asked."""
        return 1

    def signatures(self, messages: Sequence[bytes], names: Sequence[str]) -> Sequence[bytes]:  # noqa: ARG002 -- nobody is shown a name
        """Sign them."""
        return [algorithms.sign(self.key, self.algorithm, one) for one in messages]


@dataclass(frozen=True, slots=True)
class Opened:
    """A key, its public half, and the certificates (DER) that were found with it."""

    key: SigningKey
    public_key: CheckingKey
    certificates: Sequence[bytes]


@contextmanager
def opened(address: str, module: Path | None, certificates: list[bytes]) -> Iterator[Opened]:
    """Open the key of an address; *certificates* are used where they are given."""
    uri = KeyURI.parse(address)
    if uri.scheme in _ELSEWHERE:
        with _elsewhere(uri, certificates) as found:
            yield found
        return
    with _key_store(module) as keys:
        private = keys.open_for_documents(uri)
        public = private.public_key()
        yield Opened(KeyAtHand(private), public, certificates or keys.certificates(uri))


@contextmanager
def _elsewhere(uri: KeyURI, certificates: list[bytes]) -> Iterator[Opened]:
    """Open a key at a provider; the certificate it has is fetched where none is given."""
    from api.commands.sign_later import KeyElsewhere  # noqa: PLC0415 -- most keys are at hand
    from api.providers import open_providers  # noqa: PLC0415 -- as above

    if uri.scheme is KeyScheme.CSC and uri.pin_source is None and sys.stdin.isatty():
        uri = replace(uri, pin_source=f"{ASKED}:{uri.location}")
    asking = {ASKED: _entered}
    providers = open_providers(from_environment(), clock=_now, more_sources=asking)
    try:
        found = certificates or providers.certificates(uri)
        public = _public_key(found[0])
        remote = providers.open(
            uri,
            public_key=public,
            algorithm=algorithms.default_for(public),
            certificate=found[0],
        )
        yield Opened(KeyElsewhere(remote, algorithms.default_for(public)), public, found)
    finally:
        providers.close()


def _public_key(certificate: bytes) -> PublicKey:
    try:
        return cast("PublicKey", x509.load_der_x509_certificate(certificate).public_key())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise refused(Refusal.CERT_INVALID, "the provider's certificate is unreadable") from error


def _key_store(module: Path | None) -> KeyStore:
    settings = from_environment()
    if settings.pkcs11_thread_safe:
        from hsm.modules import declare_thread_safe  # noqa: PLC0415 -- most keys need no module

        declare_thread_safe(settings.pkcs11_thread_safe)
    found = module or settings.pkcs11_module
    return KeyStore(
        modules=[found] if found is not None else [],
        pin_prompt=lambda uri: _asked(uri.token or uri.serial or uri.location or uri.scheme.value),
        pin_sources={"env": secret_from_environment},
        trust_module_paths=True,
    )


def _asked(shown: str) -> Secret | None:
    if not sys.stdin.isatty():
        return None
    return Secret(typer.prompt(f"PIN ({shown})", hide_input=True, err=True))


def _entered(shown: str) -> Secret:
    entered = _asked(shown)
    if not entered:
        raise PinRequired("the credential wants a PIN and none was given")
    return entered


def _now() -> datetime:
    return datetime.now(UTC)
