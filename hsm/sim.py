"""A key on a SIM card, whatever protocol its operator speaks.

The phone shows a text and a code, its holder enters the PIN, and the operator brings the signature.
It is released only after it was verified with the public key of our certificate: a SIM that was
swapped, an operator that mixed something up, or a forged answer all end here.

``sim:provider/+84912345678`` names the provider's section in the settings and the number in E.164
form; a third part is what the protocol needs beside it (a key reference, a national id number).
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hsm.algorithms import PublicKey, SignatureAlgorithm, verify
from hsm.errors import KeyUriInvalid, MechanismUnavailable, SignatureMismatch
from hsm.key_uri import KeyScheme, KeyURI
from hsm.later import verification_code
from hsm.providers import Pending, Prompt
from hsm.refusals import CertificateRefused

_MSISDN: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PARTS: Final = 2
Handle = Mapping[str, str]
"""What an adapter has to remember about an open question: plain data without secrets."""


@dataclass(frozen=True, slots=True)
class SimAddress:
    """The parts of a ``sim:`` URI."""

    provider: str
    msisdn: str
    reference: str | None = None

    @classmethod
    def of(cls, uri: KeyURI) -> "SimAddress":
        """Read them; raises KeyUriInvalid."""
        if uri.scheme is not KeyScheme.SIM:
            raise KeyUriInvalid("a key on a SIM has a sim: URI")
        provider, *rest = uri.location.split("/", _PARTS)
        if not provider or not rest or not _MSISDN.fullmatch(rest[0]):
            raise KeyUriInvalid("a sim: URI is sim:provider/+84912345678, the number as in E.164")
        return cls(provider, rest[0], rest[1] if len(rest) > 1 and rest[1] else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an adapter brings to the phone. *shared* is one value for all that one PIN covers."""

    address: SimAddress
    algorithm: SignatureAlgorithm
    digest: bytes
    prompt: Prompt
    shared: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A signature as the operator gave it, and the certificate it says it belongs to."""

    signature: bytes
    certificate: bytes | None = None


class SimAdapter(Protocol):
    """A protocol for asking phones. Every method raises SignatureRefused."""

    @property
    def seconds(self) -> int:
        """How long a person has."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether asking and answering are one exchange, made by :meth:`answer`."""
        ...

    @property
    def together(self) -> int:
        """How many documents one PIN covers."""
        ...

    def ask(self, question: Question) -> Handle:
        """Ask, or prepare an exchange that :meth:`answer` makes."""
        ...

    def answer(self, handle: Handle, question: Question) -> Answer | None:
        """Fetch the answer; None while the person has not answered."""
        ...

    def cancel(self, handle: Handle) -> bool:
        """Take a question back; False where the protocol has no word for it."""
        ...

    def certificate(self, address: SimAddress) -> bytes:
        """Fetch the signing certificate (DER) that the operator has for a phone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SimKey:
    """A deferred key on one SIM. *certificate* is ours (DER), to notice a SIM that was swapped."""

    uri: KeyURI
    adapter: SimAdapter
    public_key: PublicKey
    algorithm: SignatureAlgorithm
    certificate: bytes | None = None

    def __post_init__(self) -> None:
        SimAddress.of(self.uri)
        if self.algorithm.hash_name is None or self.algorithm.startswith("rsa-pss"):
            raise MechanismUnavailable(f"a SIM does not sign with {self.algorithm}")

    @property
    def answers_now(self) -> bool:
        """Never: a person enters a PIN."""
        return False

    @property
    def blocks(self) -> bool:
        """Whether collecting takes as long as the person does."""
        return self.adapter.blocks

    @property
    def seconds(self) -> int:
        """How long the person has."""
        return self.adapter.seconds

    @property
    def together(self) -> int:
        """How many documents one PIN covers."""
        return self.adapter.together

    def start(self, to_be_signed: bytes, prompt: Prompt) -> Pending:
        """Bring the question to the phone."""
        return self.start_together([to_be_signed], prompt)[0]

    def start_together(self, to_be_signed: Sequence[bytes], prompt: Prompt) -> tuple[Pending, ...]:
        """Bring several questions to the phone that one PIN answers."""
        if not 0 < len(to_be_signed) <= self.together:
            raise MechanismUnavailable(f"one PIN covers {self.together} documents at this provider")
        digests = [self._digest(one) for one in to_be_signed]
        prompt = replace(prompt, code=prompt.code or verification_code(digests))
        shared: str | None = None
        asked = []
        for message, digest in zip(to_be_signed, digests, strict=True):
            handle = self.adapter.ask(self._question(digest, prompt, shared))
            shared = handle.get("shared")
            asked.append(
                Pending(
                    uri=self.uri,
                    reference=json.dumps(dict(handle)),
                    to_be_signed=message,
                    prompt=prompt,
                )
            )
        return tuple(asked)

    def collect(self, pending: Pending) -> bytes | None:
        """Fetch the signature and verify it; None while the person has not answered.

        Raises SignatureRefused with the reason, CertificateRefused when the operator signed with
        another certificate than ours, SignatureMismatch when the signature is not of our key.
        """
        handle = _handle(pending.reference)
        question = self._question(self._digest(pending.to_be_signed), pending.prompt, None)
        answer = self.adapter.answer(handle, question)
        if answer is None:
            return None
        signature = der_if_ecdsa(answer.signature, self.public_key)
        try:
            verify(self.public_key, self.algorithm, signature, pending.to_be_signed)
        except SignatureMismatch:
            if answer.certificate is not None and answer.certificate != self.certificate:
                raise CertificateRefused(
                    "the operator signed with another certificate: the SIM was replaced"
                ) from None
            raise
        return signature

    def collect_together(self, pending: Sequence[Pending]) -> tuple[bytes, ...] | None:
        """Fetch and verify all of them; None while one is missing."""
        found = []
        for one in pending:
            signature = self.collect(one)
            if signature is None:
                return None
            found.append(signature)
        return tuple(found)

    def cancel(self, pending: Pending) -> bool:
        """Take the question back from the phone; False where the operator cannot be told."""
        return self.adapter.cancel(_handle(pending.reference))

    def _question(self, digest: bytes, prompt: Prompt, shared: str | None) -> Question:
        return Question(
            address=SimAddress.of(self.uri),
            algorithm=self.algorithm,
            digest=digest,
            prompt=prompt,
            shared=shared,
        )

    def _digest(self, message: bytes) -> bytes:
        return hashlib.new(self.algorithm.hash_name or "sha256", message).digest()


def der_if_ecdsa(signature: bytes, public_key: PublicKey) -> bytes:
    """Turn an ECDSA signature of two numbers side by side into the DER SEQUENCE used here."""
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        return signature
    size = (public_key.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        return signature
    half = signature[:size], signature[size:]
    return encode_dss_signature(*(int.from_bytes(part) for part in half))


def _handle(reference: str) -> Handle:
    return {str(name): str(value) for name, value in json.loads(reference).items()}
