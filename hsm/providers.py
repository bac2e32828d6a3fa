"""The key store: opens a key by its URI, whatever holds it, and keeps it ready.

Two shapes of key exist. One that answers now is a ``cryptography`` private key, from
:meth:`KeyStore.open`. One that answers later follows :class:`DeferredKey`. Other abilities are
protocols of their own, so that nothing has to pretend to what it cannot do.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from cryptography.hazmat.primitives.asymmetric import mldsa

from hsm.algorithms import PrivateKey, SigningKey
from hsm.errors import (
    HsmError,
    KeyAnswersLater,
    MechanismUnavailable,
    ModuleUnavailable,
    TokenNotFound,
)
from hsm.key_uri import KeyScheme, KeyURI
from hsm.login import AtDevice, TokenLogin, serial_text
from hsm.objects import KeyOnToken, KeyReference, certificates, describe_key
from hsm.pins import PinSources
from hsm.policy import LoginPolicy, policy_of
from hsm.raw_signing import CopiesSigner, TokenSigner
from hsm.secret import Secret
from hsm.sessions import PooledSession, TokenSessions, sessions_of
from hsm.software import KeyFiles
from hsm.token_choice import choose, names_opened
from hsm.token_health import TokenHealth, health_of
from hsm.token_keys import token_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a person is shown when asked to sign: a text, and a code to compare on both sides."""

    text: str
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A signature that was asked for and is not there yet. Plain data: it fits in a row."""

    uri: KeyURI
    reference: str
    to_be_signed: bytes
    prompt: Prompt


class DeferredKey(Protocol):
    """A key that answers later."""

    def start(self, to_be_signed: bytes, prompt: Prompt) -> Pending:
        """Ask for a signature over *to_be_signed* (the whole message)."""
        ...

    def collect(self, pending: Pending) -> bytes | None:
        """Give the checked signature, or None while it is not there."""
        ...


class KeyStore:
    """Opens keys and keeps them open until :meth:`close`. Safe to use from many threads.

    *modules* are the PKCS#11 modules that URIs without a module are looked up in; a URI may also
    name one of them by path or by file name. *trust_module_paths* lets a URI name any other module,
    which means running its code: for a person at a command line only. *pin_prompt* asks a person
    when a URI has no pin-source; *pin_sources* reads the kinds of pin-source beside ``file:``
    (``{"env": …}`` serves ``pin-source=env:NAME``). *policies* says by serial number how long the
    login on a token lasts, where the kind of its slot is not to decide.
    """

    def __init__(
        self,
        *,
        modules: Iterable[Path | str] = (),
        pin_prompt: Callable[[KeyURI], Secret | None] | None = None,
        pin_sources: Mapping[str, Callable[[str], Secret]] | None = None,
        trust_module_paths: bool = False,
        policies: Mapping[str, LoginPolicy] | None = None,
    ) -> None:
        self._modules = tuple(dict.fromkeys(Path(path).resolve() for path in modules))
        self._trust_module_paths = trust_module_paths
        self._policies = dict(policies or {})
        self._pins = PinSources(prompt=pin_prompt, named=pin_sources or {})
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._files = KeyFiles()
        self._tokens: dict[tuple[Path, str], TokenSessions] = {}
        self._proven: set[tuple[Path, str]] = set()
        self._keys: dict[KeyURI, PrivateKey] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, uri: KeyURI | str, *, pin: Secret | None = None) -> PrivateKey:
        """Open the private key that *uri* names.

        The PIN is *pin*, else what the URI's pin-source gives, else asked for when the key is not
        open yet. A key that is open is given again without asking, unless *pin* is given: then it
        is checked.

        A URI with copies opens when one of its tokens is there; the others are used when that one
        fails (:class:`hsm.raw_signing.CopiesSigner`). *pin* then goes to those without a
        pin-source.
        """
        uri = self._checked(uri)
        if pin is None and uri.scheme is KeyScheme.PKCS11:
            known = self._keys.get(uri)
            if known is not None:
                return known
        if uri.scheme is KeyScheme.SOFT:
            found = self._in_file(uri, pin)
            if isinstance(found, mldsa.MLDSA65PrivateKey):
                raise MechanismUnavailable("ML-DSA is an experiment: it signs documents only")
            return found
        key = self._on_token(uri, pin)
        with self._lock:
            self._keys[uri] = key
        return key

    def open_for_documents(self, uri: KeyURI | str, *, pin: Secret | None = None) -> SigningKey:
        """Open a key like :meth:`open`, also one of the experimental kinds that files may hold."""
        uri = self._checked(uri)
        return self._in_file(uri, pin) if uri.scheme is KeyScheme.SOFT else self.open(uri, pin=pin)

    def _in_file(self, uri: KeyURI, pin: Secret | None) -> SigningKey:
        path = Path(uri.location)
        return self._files.open(path, self._passphrase(uri, path, pin)).key

    def _on_token(self, uri: KeyURI, pin: Secret | None) -> PrivateKey:
        if not uri.others:
            signer = self._signer(uri, pin)
            return token_key(signer, signer.public_key)

        def opened(copy: KeyURI) -> TokenSigner:
            return self._signer(copy, pin if copy.pin_source is None else None)

        copies = CopiesSigner(uri, opened)
        return token_key(copies, copies.public_key)

    def _signer(self, uri: KeyURI, pin: Secret | None) -> TokenSigner:
        sessions = self.token(uri, pin=pin)
        reference = KeyReference(uri.id, uri.object)

        def look(pooled: PooledSession) -> KeyOnToken:
            found = describe_key(pooled.session, reference)
            pooled.key(found.reference)
            return found

        return TokenSigner(sessions, sessions.run(look))

    def certificates(self, uri: KeyURI | str) -> list[bytes]:
        """Read the DER certificates stored beside the key; a key file's own comes first.

        Certificates on a token are public: a PIN is used when the URI has a pin-source, but nobody
        is asked for one.
        """
        uri = self._checked(uri)
        if uri.scheme is KeyScheme.SOFT:
            path = Path(uri.location)
            return list(self._files.open(path, self._passphrase(uri, path, None)).certificates)
        failed: HsmError | None = None
        for copy in uri.copies:
            reference = KeyReference(copy.id, copy.object)
            try:
                return self._unlocked(copy, None, ask=False).run(
                    lambda pooled, wanted=reference: certificates(pooled.session, wanted)  # type: ignore[misc]  # a default binds the loop's value
                )
            except HsmError as error:
                failed = failed or error
        raise failed or TokenNotFound("the URI names no token")

    def token(self, uri: KeyURI, *, pin: Secret | None = None) -> TokenSessions:
        """Give the opened token that *uri* names, logged in. For the token tools of this room."""
        return self._unlocked(self._checked(uri), pin, ask=True)

    def reach(self, uri: KeyURI) -> TokenSessions:
        """Give the token that *uri* names without logging in, whatever PIN source it has."""
        return self._sessions(self._checked(uri))

    def _unlocked(self, uri: KeyURI, pin: Secret | None, *, ask: bool) -> TokenSessions:
        if uri.scheme is KeyScheme.SOFT:
            raise TokenNotFound("a soft: key is in a file, not on a token")
        if uri.scheme is not KeyScheme.PKCS11:
            raise KeyAnswersLater(f"a {uri.scheme}: key does not sign at once")
        sessions = self._sessions(uri)
        login = sessions.login
        place = (sessions.module.path, login.serial)
        given: Secret | AtDevice | None = pin or self._pins.from_source(uri)
        if given is None and ask and not (place in self._proven and login.is_open):
            given = self._asked(uri, login)
        if given is not None:
            login.open(given)
            self._proven.add(place)
        return sessions

    def _asked(self, uri: KeyURI, login: TokenLogin) -> Secret | AtDevice | None:
        if not login.needs_pin():
            return None
        return AtDevice.PIN_PAD if login.has_pin_pad() else self._pins.ask(uri)

    def _checked(self, uri: KeyURI | str) -> KeyURI:
        """Parse, and keep an open store from being used on the other side of a fork."""
        if os.getpid() != self._pid:
            if self._tokens or self._proven:
                raise ModuleUnavailable("an open key store cannot be used across fork()")
            self._pid, self._lock = os.getpid(), threading.Lock()
        return KeyURI.parse(uri) if isinstance(uri, str) else uri

    def _sessions(self, uri: KeyURI) -> TokenSessions:
        with self._lock:
            for (module_path, serial), sessions in self._tokens.items():
                if names_opened(uri, module_path, serial, sessions.login.label):
                    return sessions
            module, token = choose(self._candidates(uri), uri)
            serial = serial_text(token)
            policy = self._policies.get(serial) or policy_of(token)
            sessions = sessions_of(module, serial=serial, label=token.label, policy=policy)
            sessions.attach(self)
            self._tokens[module.path, serial] = sessions
            return sessions

    def _candidates(self, uri: KeyURI) -> Sequence[Path]:
        if uri.module_path is not None:
            path = Path(uri.module_path).resolve()
            if path not in self._modules and not self._trust_module_paths:
                raise ModuleUnavailable(f"{path} is not among the configured modules")
            return [path]
        if uri.module_name is not None:
            name = uri.module_name
            named = [
                p for p in self._modules if name in {p.name, p.stem, p.stem.removeprefix("lib")}
            ]
            if not named:
                raise ModuleUnavailable(f"no configured module is called {name!r}")
            return named
        if not self._modules:
            raise ModuleUnavailable("no PKCS#11 module is configured")
        return self._modules

    def _passphrase(self, uri: KeyURI, path: Path, pin: Secret | None) -> Secret | None:
        if pin:
            return pin
        if self._files.is_open(path):
            return None
        return self._pins.from_source(uri) or self._pins.ask(uri)

    def health(self) -> list[TokenHealth]:
        """How each opened token is doing, in order of serial number."""
        with self._lock:
            opened = sorted(self._tokens.items(), key=lambda item: item[0][1])
        return [health_of(sessions) for _, sessions in opened]

    def close(self) -> None:
        """Forget keys and PINs; tokens that no other store of this process uses are logged out."""
        with self._lock:
            tokens = list(self._tokens.values())
            self._tokens.clear()
            self._keys.clear()
            self._proven.clear()
            self._files.close()
        if os.getpid() == self._pid:
            for sessions in tokens:
                sessions.detach(self)
