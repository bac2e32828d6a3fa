"""Calls of a Cloud Signature Consortium service: who calls, what is refused, what is remembered.

Access is by a bearer token from a reference, or by OAuth 2.0 client credentials (RFC 6749 4.4),
fetched when needed and renewed before it ends. What a service writes about an error is not
repeated, only its code: a service may quote what it was sent.
"""

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlencode

from hsm.csc_messages import Credential, CscVersion
from hsm.provider_http import HttpAnswer, ProviderHttp, SecretReader
from hsm.refusals import ProviderUnreachable, Refusal, SignatureRefused, refused
from hsm.secret import Secret

_OK: Final = 200
_UNAUTHORISED: Final = 401
_FORBIDDEN: Final = 403
_SERVER_ERRORS: Final = 500
_CREDENTIAL_SECONDS: Final = 300.0
"""How long what a service says about a credential is believed; a revocation there shows later."""
_TOKEN_MARGIN: Final = 30.0
_TOKEN_SECONDS: Final = 300.0
"""Life of an access token whose service does not say."""
_MAX_CREDENTIALS: Final = 10_000
_ERROR_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,60}")
ERRORS: Final[Mapping[str, Refusal]] = {
    "invalid_request": Refusal.BAD_REQUEST,
    "unsupported_response_type": Refusal.BAD_REQUEST,
    "invalid_scope": Refusal.BAD_REQUEST,
    "unauthorized_client": Refusal.UNAUTHORISED,
    "invalid_client": Refusal.UNAUTHORISED,
    "invalid_grant": Refusal.UNAUTHORISED,
    "invalid_token": Refusal.UNAUTHORISED,
    "invalid_pin": Refusal.UNAUTHORISED,
    "invalid_otp": Refusal.UNAUTHORISED,
    "pin_locked": Refusal.PIN_BLOCKED,
    "access_denied": Refusal.USER_CANCELLED,
    "expired_request": Refusal.USER_TIMEOUT,
    "authorization_expired": Refusal.USER_TIMEOUT,
    "invalid_credential": Refusal.UNKNOWN_USER,
    "credential_not_found": Refusal.UNKNOWN_USER,
    "certificate_revoked": Refusal.CERT_INVALID,
    "certificate_expired": Refusal.CERT_INVALID,
    "server_error": Refusal.PROVIDER_ERROR,
    "temporarily_unavailable": Refusal.PROVIDER_ERROR,
}
PENDING: Final = frozenset({"authorization_pending", "slow_down", "not_ready", "pending"})


class CscMode(StrEnum):
    """How a service lets its key be used."""

    NOW = "now"
    """A PIN by reference, or nothing, is enough: the signature comes at once."""
    CONFIRM = "confirm"
    """The person confirms the authorisation elsewhere; it is asked for until it is there."""
    ASYNCHRONOUS = "asynchronous"
    """The signature is asked for until it is there (v2, operationMode A)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CscSettings:
    """One contract with a service. Tokens, secrets and OTP are references."""

    url: str
    version: CscVersion = CscVersion.V1
    mode: CscMode = CscMode.NOW
    token: str | None = None
    token_url: str | None = None
    client_id: str = ""
    client_secret: str | None = None
    scope: str = "service"
    otp: str | None = None
    seconds: int = 120
    together: int = 20
    errors: Mapping[str, Refusal] = field(default_factory=dict)


class CscService:
    """One service. Threads may share it."""

    def __init__(
        self, settings: CscSettings, http: ProviderHttp, *, secrets_of: SecretReader
    ) -> None:
        self.settings = settings
        self.secrets_of = secrets_of
        self._http = http
        self._lock = threading.Lock()
        self._access: tuple[Secret, float] | None = None
        self._credentials: dict[str, tuple[Credential, float]] = {}

    def credential(self, credential_id: str) -> Credential:
        """``credentials/info``, remembered for some minutes."""
        with self._lock:
            kept = self._credentials.get(credential_id)
        if kept is not None and kept[1] > time.monotonic():
            return kept[0]
        body = {"credentialID": credential_id, "certificates": "chain", "certInfo": False}
        if self.settings.version is CscVersion.V2:
            body["authInfo"] = True
        found = Credential.read(self.call("credentials/info", body))
        with self._lock:
            if len(self._credentials) >= _MAX_CREDENTIALS:
                self._credentials.clear()
            self._credentials[credential_id] = (found, time.monotonic() + _CREDENTIAL_SECONDS)
        return found

    def call(self, method: str, body: Mapping[str, object]) -> dict[str, object]:
        """Call a method; raises SignatureRefused for everything but an answer of 200."""
        found = self.poll(method, body)
        if found is None:
            raise refused(Refusal.PROVIDER_ERROR, f"the service keeps {method} waiting")
        return found

    def poll(self, method: str, body: Mapping[str, object]) -> dict[str, object] | None:
        """Call a method that may have nothing to say yet; None then."""
        answer = self._called(method, body)
        if answer.status == _OK:
            return answer.json()
        code = _error_code(answer)
        if code in PENDING or answer.status == 202:  # noqa: PLR2004 -- HTTP "Accepted"
            return None
        raise self._refusal(method, answer.status, code)

    def _called(self, method: str, body: Mapping[str, object]) -> HttpAnswer:
        url = f"{self.settings.url}/{method}"
        answer = self._http.post_json(url, body, headers=self._authorization())
        if answer.status == _UNAUTHORISED and self.settings.token_url is not None:
            # the service may have forgotten a token before its time; one new one is fair
            with self._lock:
                self._access = None
            answer = self._http.post_json(url, body, headers=self._authorization())
        return answer

    def _refusal(self, method: str, status: int, code: str) -> SignatureRefused:
        what = f"the service refused {method}: {status} {code}".rstrip()
        known = self.settings.errors.get(code) or ERRORS.get(code)
        if known is not None:
            return refused(known, what)
        if status in {_UNAUTHORISED, _FORBIDDEN}:
            return refused(Refusal.UNAUTHORISED, what)
        if status >= _SERVER_ERRORS:
            return ProviderUnreachable(what, delivered=True)
        return refused(Refusal.BAD_REQUEST, what)

    def _authorization(self) -> dict[str, str]:
        token = self._token()
        return {} if token is None else {"Authorization": f"Bearer {token.reveal_text()}"}

    def _token(self) -> Secret | None:
        settings = self.settings
        if settings.token is not None:
            return self.secrets_of(settings.token)
        if settings.token_url is None:
            return None
        with self._lock:
            if self._access is None or self._access[1] <= time.monotonic():
                self._access = self._fetched_token(settings.token_url)
            return self._access[0]

    def _fetched_token(self, url: str) -> tuple[Secret, float]:
        settings = self.settings
        form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id,
            "client_secret": self.secrets_of(settings.client_secret or "").reveal_text(),
            "scope": settings.scope,
        }
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        answer = self._http.post(url, urlencode(form).encode(), headers=headers)
        if answer.status != _OK:
            raise self._refusal("oauth2/token", answer.status, _error_code(answer))
        found = answer.json()
        token = found.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise refused(Refusal.PROVIDER_ERROR, "the service's answer has no access token")
        lasts = found.get("expires_in")
        seconds = float(lasts) if isinstance(lasts, (int, float)) else _TOKEN_SECONDS
        return Secret(token), time.monotonic() + max(0.0, seconds - _TOKEN_MARGIN)


def _error_code(answer: HttpAnswer) -> str:
    try:
        code = answer.json().get("error")
    except SignatureRefused:
        return ""
    return code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
