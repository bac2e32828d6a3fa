"""The raw signature: one mechanism of a token over one block, wherever that token is.

Two makers exist: :class:`TokenSigner` for a key on one token, :class:`CopiesSigner` for a key that
lies on several and is used on the first of them that answers.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from pkcs11.mechanisms import MGF, Mechanism

from hsm.errors import HsmError, KeyCopiesDiffer, MechanismUnavailable, PinRequired
from hsm.key_uri import KeyURI
from hsm.objects import KeyOnToken, TokenPublicKey
from hsm.policy import LoginPolicy
from hsm.sessions import PooledSession, Several, TokenSessions

RawParameter = tuple[Mechanism, MGF, int] | None

REST_SECONDS: Final = 10.0
"""How long a token that failed is passed over while another one answers."""

SHARE_SECONDS: Final = 0.1
"""How long a session is kept for many blocks in a row; on a token with one session others wait."""


class RawSignature(NamedTuple):
    """What a token gave, not yet checked, and who is to blame for it."""

    value: bytes
    made_by: "TokenSigner"


class RawSigner(Protocol):
    """Something that makes raw signatures with one key."""

    @property
    def name(self) -> str:
        """Key and token for messages."""
        ...

    def raw(
        self, mechanism: Mechanism, data: bytes, parameter: RawParameter = None
    ) -> RawSignature:
        """Sign one block."""
        ...

    def raw_all(
        self, mechanism: Mechanism, blocks: Sequence[bytes], parameter: RawParameter = None
    ) -> "list[RawSignature | HsmError]":
        """Sign many blocks; in the place of one that could not be signed stands why."""
        ...


class TokenSigner:
    """A private key on one token."""

    def __init__(self, sessions: TokenSessions, found: KeyOnToken) -> None:
        self._sessions = sessions
        self._reference = found.reference
        self._always_authenticate = found.always_authenticate
        self._behind_login = sessions.login.is_open
        self.public_key = found.public_key

    @property
    def name(self) -> str:
        """Key and token for messages."""
        return f"{self._reference} on {self._sessions.login.name}"

    @property
    def token(self) -> str:
        """The token for messages."""
        return self._sessions.login.name

    def raw(
        self, mechanism: Mechanism, data: bytes, parameter: RawParameter = None
    ) -> RawSignature:
        """Sign one block in a session of the token."""
        self._check_login()

        def operation(pooled: PooledSession) -> bytes:
            return self._sign(pooled, mechanism, data, parameter)

        return RawSignature(self._sessions.run(operation), self)

    def raw_all(
        self, mechanism: Mechanism, blocks: Sequence[bytes], parameter: RawParameter = None
    ) -> list[RawSignature | HsmError]:
        """Sign many blocks, a share of them each time a session is borrowed.

        What was signed before a failure is given out, and not signed again.
        """
        made: list[RawSignature | HsmError] = []
        each_time = self._sessions.login.policy is LoginPolicy.EACH_TIME

        def operation(pooled: PooledSession) -> Several:
            begin = len(made)
            until = time.monotonic() + (0 if each_time else SHARE_SECONDS)
            for block in blocks[begin:]:
                made.append(RawSignature(self._sign(pooled, mechanism, block, parameter), self))
                if time.monotonic() >= until:
                    break
            return Several(len(made) - begin)

        try:
            while len(made) < len(blocks):
                self._check_login()
                self._sessions.run(operation)
        except HsmError as error:
            made += [error] * (len(blocks) - len(made))
        return made

    def _check_login(self) -> None:
        login = self._sessions.login
        if self._behind_login and not login.is_open:
            raise PinRequired(f"token {login.name} was closed and wants its PIN again")

    def _sign(
        self, pooled: PooledSession, mechanism: Mechanism, data: bytes, parameter: RawParameter
    ) -> bytes:
        return pooled.key(self._reference).sign(
            data,
            mechanism=mechanism,
            mechanism_param=parameter,
            pin=self._sessions.login.pin.reveal_text() if self._always_authenticate else None,
        )

    def count_wrong(self) -> None:
        """Note that a signature of this token was not of its key."""
        self._sessions.figures.wrong_signatures += 1

    def count_failover(self) -> None:
        """Note that this token signed in the place of a preferred one."""
        self._sessions.figures.failovers += 1


@dataclass(slots=True)
class _Place:
    """One of the places of a key, opened when it is first needed."""

    uri: KeyURI
    signer: TokenSigner | None = None
    rests_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class CopiesSigner:
    """A key that lies on several tokens; the first that answers signs.

    A token that failed is passed over for :data:`REST_SECONDS`, then tried again, so that the
    preferred one is used again when it is back. A wrong kind of signature is no reason to go on to
    the next token: it would refuse as well.
    """

    def __init__(self, uri: KeyURI, open_signer: Callable[[KeyURI], TokenSigner]) -> None:
        self._places = [_Place(copy) for copy in uri.copies]
        self._open_signer = open_signer
        self.public_key: TokenPublicKey = self._first_open()

    def _first_open(self) -> TokenPublicKey:
        errors: list[HsmError] = []
        for place in self._places:
            try:
                place.signer = self._open_signer(place.uri)
            except HsmError as error:
                errors.append(error)
                place.rests_until = time.monotonic() + REST_SECONDS
        keys = [place.signer.public_key for place in self._places if place.signer is not None]
        if not keys:
            raise errors[0]
        if any(key != keys[0] for key in keys):
            raise KeyCopiesDiffer("the key URIs name different keys on their tokens")
        return keys[0]

    @property
    def name(self) -> str:
        """Key and tokens for messages."""
        return " or ".join(p.signer.name for p in self._places if p.signer is not None)

    def raw(
        self, mechanism: Mechanism, data: bytes, parameter: RawParameter = None
    ) -> RawSignature:
        """Sign one block on the first token that can; raises the preferred token's error."""
        errors: list[HsmError] = []
        for place in self._in_order():
            try:
                made = self._signer(place).raw(mechanism, data, parameter)
            except MechanismUnavailable:
                raise
            except HsmError as error:
                place.rests_until = time.monotonic() + REST_SECONDS
                errors.append(error)
            else:
                if place is not self._places[0]:
                    made.made_by.count_failover()
                return made
        raise errors[0]

    def raw_all(
        self, mechanism: Mechanism, blocks: Sequence[bytes], parameter: RawParameter = None
    ) -> list[RawSignature | HsmError]:
        """Sign many blocks on the first token that can; where it fails, the next one goes on.

        No token is asked again after it failed: a pair that is gone is found out once, not for
        every block.
        """
        made: list[RawSignature | HsmError] = []
        errors: list[HsmError] = []
        for place in self._in_order():
            if len(made) == len(blocks):
                break
            error = self._signed_by(place, made, mechanism, blocks, parameter)
            if error is None:
                break
            errors.append(error)
            if isinstance(error, MechanismUnavailable):
                errors = [error]
                break
            place.rests_until = time.monotonic() + REST_SECONDS
        return made + errors[:1] * (len(blocks) - len(made))

    def _signed_by(
        self,
        place: _Place,
        made: list[RawSignature | HsmError],
        mechanism: Mechanism,
        blocks: Sequence[bytes],
        parameter: RawParameter,
    ) -> HsmError | None:
        """Add the signatures that are missing, up to the first failure; give that."""
        try:
            signed = self._signer(place).raw_all(mechanism, blocks[len(made) :], parameter)
        except HsmError as error:
            return error
        for one in signed:
            if isinstance(one, HsmError):
                return one
            if place is not self._places[0]:
                one.made_by.count_failover()
            made.append(one)
        return None

    def _in_order(self) -> Sequence[_Place]:
        now = time.monotonic()
        return sorted(self._places, key=lambda place: place.rests_until > now)

    def _signer(self, place: _Place) -> TokenSigner:
        with place.lock:
            if place.signer is None:
                signer = self._open_signer(place.uri)
                if signer.public_key != self.public_key:
                    raise KeyCopiesDiffer(f"token {signer.token} holds another key by that name")
                place.signer = signer
            return place.signer
