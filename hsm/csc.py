"""A key at a remote signing service that speaks the Cloud Signature Consortium's API.

``csc:provider/credential?pin-source=file:/…`` names the service's section in the settings, the
credential there, and where its PIN is. An authorisation covers the very hashes to be signed (SCAL2)
and any number of documents up to what the credential allows, under one PIN. What authorises a
signature (SAD) is used at once and never stored.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hsm.algorithms import PublicKey, SignatureAlgorithm, verify
from hsm.csc_messages import (
    Credential,
    CscVersion,
    HashesToSign,
    decoded,
    encoded,
    signature_oid,
    signatures,
)
from hsm.csc_service import CscMode, CscService
from hsm.errors import KeyUriInvalid, MechanismUnavailable, PinRequired
from hsm.key_uri import KeyScheme, KeyURI
from hsm.later import verification_code
from hsm.providers import Pending, Prompt
from hsm.refusals import Refusal, refused
from hsm.secret import Secret
from hsm.sim import der_if_ecdsa


@dataclass(frozen=True, slots=True)
class CscAddress:
    """The parts of a ``csc:`` URI."""

    provider: str
    credential_id: str

    @classmethod
    def of(cls, uri: KeyURI) -> "CscAddress":
        """Read them; raises KeyUriInvalid."""
        provider, _, credential = uri.location.partition("/")
        if uri.scheme is not KeyScheme.CSC or not provider or not credential:
            raise KeyUriInvalid("a csc: URI is csc:provider/credential")
        return cls(provider, credential)


@dataclass(frozen=True, slots=True, kw_only=True)
class CscKey:
    """A deferred key at a service. *certificate* is ours (DER), compared with the service's."""

    uri: KeyURI
    service: CscService
    public_key: PublicKey
    algorithm: SignatureAlgorithm
    certificate: bytes | None = None

    def __post_init__(self) -> None:
        CscAddress.of(self.uri)
        signature_oid(self.algorithm)

    @property
    def answers_now(self) -> bool:
        """Whether no person has to confirm."""
        return self.service.settings.mode is CscMode.NOW

    @property
    def blocks(self) -> bool:
        """Never: a service that waits is asked again."""
        return False

    @property
    def seconds(self) -> int:
        """How long a person has."""
        return self.service.settings.seconds

    @property
    def together(self) -> int:
        """How many documents one authorisation covers, as it was set."""
        return self.service.settings.together

    def start(self, to_be_signed: bytes, prompt: Prompt) -> Pending:
        """Ask for a signature; nothing is sent yet when the service signs at once."""
        return self.start_together([to_be_signed], prompt)[0]

    def start_together(self, to_be_signed: Sequence[bytes], prompt: Prompt) -> tuple[Pending, ...]:
        """Ask for several under one authorisation."""
        if not 0 < len(to_be_signed) <= self.together:
            raise MechanismUnavailable(f"one authorisation covers {self.together} documents here")
        wanted = self._wanted(to_be_signed)
        prompt = replace(prompt, code=prompt.code or verification_code(wanted.digests))
        handle = {} if self.answers_now else self._asked(wanted, prompt)
        return tuple(
            Pending(
                uri=self.uri,
                reference=json.dumps(handle | {"index": index}),
                to_be_signed=message,
                prompt=prompt,
            )
            for index, message in enumerate(to_be_signed)
        )

    def collect(self, pending: Pending) -> bytes | None:
        """Give the checked signature, or None while it is not there; raises SignatureRefused."""
        found = self.collect_together([pending])
        return None if found is None else found[0]

    def collect_together(self, pending: Sequence[Pending]) -> tuple[bytes, ...] | None:
        """Give all the signatures of one authorisation, each verified, in their order."""
        messages = [one.to_be_signed for one in pending]
        made = self._made(json.loads(pending[0].reference), self._wanted(messages))
        if made is None:
            return None
        checked = []
        for message, signature in zip(messages, made, strict=True):
            der = der_if_ecdsa(signature, self.public_key)
            verify(self.public_key, self.algorithm, der, message)
            checked.append(der)
        return tuple(checked)

    def cancel(self, pending: Pending) -> bool:  # noqa: ARG002 -- the shape of CanCancel
        """Do nothing: the API has no call for it, and an authorisation not used ends by itself."""
        return False

    def _wanted(self, messages: Sequence[bytes]) -> HashesToSign:
        name = self.algorithm.hash_name or "sha256"
        return HashesToSign(
            credential_id=CscAddress.of(self.uri).credential_id,
            algorithm=self.algorithm,
            digests=tuple(hashlib.new(name, message).digest() for message in messages),
        )

    def _asked(self, wanted: HashesToSign, prompt: Prompt) -> dict[str, object]:
        """Open what has to be waited for, and say what to come back with."""
        answer = self._authorization(wanted, prompt)
        sad, handle = answer.get("SAD"), answer.get("handle")
        if isinstance(sad, str):
            return self._opened(wanted, Secret(sad))
        if self.service.settings.mode is CscMode.CONFIRM and isinstance(handle, str):
            return {"handle": handle}
        raise refused(Refusal.PROVIDER_ERROR, "the service gave neither authorisation nor handle")

    def _opened(self, wanted: HashesToSign, sad: Secret) -> dict[str, object]:
        """Use an authorisation at once; an asynchronous service says what to ask for later."""
        body = wanted.signing(self.service.settings.version, sad)
        if self.service.settings.mode is CscMode.ASYNCHRONOUS:
            body |= {"operationMode": "A", "validity_period": self.seconds * 1000}
        answer = self.service.call("signatures/signHash", body)
        response = answer.get("responseID")
        if isinstance(response, str) and "signatures" not in answer:
            return {"response": response}
        found = signatures(answer, count=len(wanted.digests))
        return {"signatures": encoded(found)}

    def _made(self, handle: dict[str, object], wanted: HashesToSign) -> tuple[bytes, ...] | None:
        if "signatures" in handle:
            index = int(str(handle["index"]))
            kept = handle["signatures"]
            found = tuple(decoded(one) for one in kept) if isinstance(kept, list) else ()
            return found[index : index + len(wanted.digests)]
        if "response" in handle:
            polled = self.service.poll("signatures/signPolling", {"responseID": handle["response"]})
            return None if polled is None else signatures(polled, count=len(wanted.digests))
        if "handle" in handle:
            checked = self.service.poll("credentials/authorizeCheck", {"handle": handle["handle"]})
            sad = None if checked is None else checked.get("SAD")
        else:
            sad = self._authorization(wanted, None).get("SAD")
            if not isinstance(sad, str):
                raise refused(Refusal.PROVIDER_ERROR, "the service gave no authorisation (SAD)")
        if not isinstance(sad, str):
            return None
        body = wanted.signing(self.service.settings.version, Secret(sad))
        answer = self.service.call("signatures/signHash", body)
        return signatures(answer, count=len(wanted.digests))

    def _authorization(self, wanted: HashesToSign, prompt: Prompt | None) -> dict[str, object]:
        """``credentials/authorize``, with what the credential wants beside the hashes."""
        credential = self._credential()
        if len(wanted.digests) > credential.multisign:
            what = f"the credential signs {credential.multisign} documents at a time"
            raise MechanismUnavailable(what)
        settings = self.service.settings
        body = wanted.authorization(
            settings.version,
            pinned=credential.scal == 2,  # noqa: PLR2004 -- sole control assurance level 2
            pin=self._secret(self.uri.pin_source, "PIN") if credential.wants_pin else None,
            otp=self._secret(settings.otp, "OTP") if credential.wants_otp else None,
        )
        if prompt is not None:
            body["description"] = f"{prompt.text} [{prompt.code}]"
            if settings.version is CscVersion.V1:
                body["clientData"] = prompt.code
        return self.service.call("credentials/authorize", body)

    def _secret(self, source: str | None, what: str) -> Secret:
        if source is None:
            raise PinRequired(f"the credential wants a {what} and no source of it is named")
        return self.service.secrets_of(source)

    def _credential(self) -> Credential:
        found = self.service.credential(CscAddress.of(self.uri).credential_id)
        if not found.certificates:
            raise refused(Refusal.CERT_INVALID, "the service has no certificate for the credential")
        if self.certificate is not None and found.certificates[0] != self.certificate:
            what = "the service's certificate for the credential is not the registry's"
            raise refused(Refusal.CERT_INVALID, what)
        if found.certificate_status not in {"valid", "good"}:
            what = f"the service says the certificate is {found.certificate_status[:20]}"
            raise refused(Refusal.CERT_INVALID, what)
        if not found.enabled:
            raise refused(Refusal.NO_KEY, "the service has disabled the key")
        if not found.fits(self.algorithm):
            raise MechanismUnavailable(f"the credential does not make {self.algorithm}")
        return found
