"""SIM signatures over Mobile-ID's REST interface: a session is opened, and asked for until it ends.

Phones compute and show the verification code by themselves; the text is limited to some characters
of the GSM alphabet, or fewer of UCS-2. Taking a question back is an extension that a provider may
offer (``cancel = true``): DELETE on the session.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hsm.later import shown_text
from hsm.provider_http import HttpAnswer, ProviderHttp, SecretReader
from hsm.refusals import ProviderUnreachable, Refusal, SignatureRefused, refused
from hsm.sim import Answer, Handle, Question, SimAddress

_RESULTS: Final[Mapping[str, Refusal]] = {
    "TIMEOUT": Refusal.USER_TIMEOUT,
    "NOT_MID_CLIENT": Refusal.UNKNOWN_USER,
    "NOT_FOUND": Refusal.UNKNOWN_USER,
    "NOT_ACTIVE": Refusal.CERT_INVALID,
    "USER_CANCELLED": Refusal.USER_CANCELLED,
    "SIGNATURE_HASH_MISMATCH": Refusal.CERT_INVALID,
    "PHONE_ABSENT": Refusal.PHONE_UNREACHABLE,
    "DELIVERY_ERROR": Refusal.PHONE_UNREACHABLE,
    "SIM_ERROR": Refusal.SIM_BLOCKED,
    "PIN_BLOCKED": Refusal.PIN_BLOCKED,
}
_STATUSES: Final[Mapping[int, Refusal]] = {
    400: Refusal.BAD_REQUEST,
    401: Refusal.UNAUTHORISED,
    403: Refusal.UNAUTHORISED,
    404: Refusal.PROVIDER_ERROR,
    405: Refusal.BAD_REQUEST,
}
_OK: Final = 200
_POLL_MS: Final = 1000
"""How long the provider may hold the answer back; the longer, the longer a worker waits."""
_MAX_DISPLAY: Final = 100
_SESSION: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_GSM_7: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MobileIdSettings:
    """Address and identity of one contract; *relying_party_uuid* is a reference to a secret."""

    url: str
    relying_party_uuid: str
    relying_party_name: str
    language: str
    seconds: int
    can_cancel: bool


class MobileId:
    """One provider's service. Threads may share it."""

    def __init__(
        self, settings: MobileIdSettings, http: ProviderHttp, *, secrets_of: SecretReader
    ) -> None:
        self._settings = settings
        self._http = http
        self._secrets_of = secrets_of

    @property
    def seconds(self) -> int:
        """How long a person has."""
        return self._settings.seconds

    @property
    def blocks(self) -> bool:
        """Never: the session is asked for."""
        return False

    @property
    def together(self) -> int:
        """One hash for each PIN."""
        return 1

    def ask(self, question: Question) -> Handle:
        """POST /signature."""
        text, text_format = _display(question.prompt.text)
        body = self._identified(question.address) | {
            "hash": base64.b64encode(question.digest).decode(),
            "hashType": (question.algorithm.hash_name or "").upper(),
            "language": self._settings.language,
            "displayText": text,
            "displayTextFormat": text_format,
        }
        answer = self._http.post_json(f"{self._settings.url}/signature", body)
        session = self._checked(answer).get("sessionID")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            raise refused(Refusal.PROVIDER_ERROR, "the provider named no session")
        return {"session": session}

    def answer(self, handle: Handle, question: Question) -> Answer | None:  # noqa: ARG002 -- shape
        """GET /signature/session/{id}."""
        url = f"{self._settings.url}/signature/session/{handle['session']}"
        answer = self._http.get(f"{url}?timeoutMs={_POLL_MS}", wait=_POLL_MS / 1000)
        state = self._checked(answer)
        if state.get("state") == "RUNNING":
            return None
        if state.get("state") != "COMPLETE":
            raise refused(Refusal.PROVIDER_ERROR, "the provider's session has no known state")
        result = str(state.get("result"))
        if result != "OK":
            reason = _RESULTS.get(result, Refusal.PROVIDER_ERROR)
            raise refused(reason, f"the provider's result {result[:40]}")
        signature = state.get("signature")
        value = signature.get("value") if isinstance(signature, dict) else None
        certificate = state.get("cert")
        return Answer(_decoded(value), _decoded(certificate) if certificate else None)

    def cancel(self, handle: Handle) -> bool:
        """DELETE the session, where the provider offers that."""
        if not self._settings.can_cancel:
            return False
        url = f"{self._settings.url}/signature/session/{handle['session']}"
        return self._http.delete(url).status < _STATUSES_OF_REFUSAL

    def certificate(self, address: SimAddress) -> bytes:
        """POST /certificate."""
        body = self._identified(address)
        found = self._checked(self._http.post_json(f"{self._settings.url}/certificate", body))
        result = str(found.get("result"))
        if result != "OK":
            reason = _RESULTS.get(result, Refusal.PROVIDER_ERROR)
            raise refused(reason, f"the provider's result {result[:40]}")
        return _decoded(found.get("cert"))

    def _identified(self, address: SimAddress) -> dict[str, object]:
        settings = self._settings
        body: dict[str, object] = {
            "relyingPartyUUID": self._secrets_of(settings.relying_party_uuid).reveal_text(),
            "relyingPartyName": settings.relying_party_name,
            "phoneNumber": address.msisdn,
        }
        if address.reference is not None:
            body["nationalIdentityNumber"] = address.reference
        return body

    def _checked(self, answer: HttpAnswer) -> dict[str, object]:
        if answer.status == _OK:
            return answer.json()
        raise _refusal_of(answer.status)


_STATUSES_OF_REFUSAL: Final = 300


def _refusal_of(status: int) -> SignatureRefused:
    what = f"the provider answered {status}"
    if status in _STATUSES:
        return refused(_STATUSES[status], what)
    return ProviderUnreachable(what, delivered=True)


def _display(text: str) -> tuple[str, str]:
    """Choose the alphabet: seven bits a character, or sixteen."""
    shown = shown_text(text, max_bytes=_MAX_DISPLAY, encoding="utf-8")
    if set(shown) <= _GSM_7:
        return shown, "GSM-7"
    return shown_text(text, max_bytes=_MAX_DISPLAY, encoding="utf-16-be"), "UCS-2"


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused(Refusal.PROVIDER_ERROR, "a value of the provider is not base64") from error
