"""The provider's side of Mobile-ID's REST interface, over the same phones and questions."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from api.simulator.operator import Asked, Outcome, Transaction, Unknown
from hsm.later import verification_code

if TYPE_CHECKING:
    from starlette.requests import Request

    from api.simulator.operator import Operator
    from api.simulator.phones import Phone

_RESULTS: Final = {
    Outcome.CANCELLED: "USER_CANCELLED",
    Outcome.TIMEOUT: "TIMEOUT",
    Outcome.UNREACHABLE: "PHONE_ABSENT",
    Outcome.SIM_BLOCKED: "SIM_ERROR",
    Outcome.PIN_BLOCKED: "PIN_BLOCKED",
    Outcome.NO_KEY: "NOT_MID_CLIENT",
    Outcome.CERTIFICATE_INVALID: "NOT_ACTIVE",
    Outcome.PROVIDER_ERROR: "INTERNAL_ERROR",
}
_HASHES: Final = {"SHA256": 32, "SHA384": 48, "SHA512": 64}
_SECONDS: Final = 120
_MAX_TEXT: Final = 100
_STEP: Final = 0.02
_LONGEST_WAIT_MS: Final = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RestService:
    """Answers calls. `relying_parties` are names by UUID; empty: anybody."""

    operator: Operator
    relying_parties: dict[str, str]

    def routes(self) -> list[Route]:
        """Return the addresses below the base."""
        return [
            Route("/certificate", self.certificate, methods=["POST"]),
            Route("/signature", self.signature, methods=["POST"]),
            Route("/signature/session/{session}", self.session, methods=["GET"]),
            Route("/signature/session/{session}", self.cancel, methods=["DELETE"]),
        ]

    async def certificate(self, request: Request) -> Response:
        """Tell the certificate of a phone."""
        body = await _body(request)
        if not self._known(body):
            return _error(401, "unknown relying party")
        try:
            found = self.operator.phone(str(body.get("phoneNumber"))).certificate
        except Unknown:
            found = None
        if found is None:
            return JSONResponse({"result": "NOT_FOUND"})
        return JSONResponse({"result": "OK", "cert": base64.b64encode(found).decode()})

    async def signature(self, request: Request) -> Response:
        """Open a session."""
        body = await _body(request)
        if not self._known(body):
            return _error(401, "unknown relying party")
        hash_type, text = str(body.get("hashType")), str(body.get("displayText", ""))
        try:
            digest = base64.b64decode(str(body.get("hash")), validate=True)
        except (binascii.Error, ValueError):
            return _error(400, "hash is not base64")
        if _HASHES.get(hash_type) != len(digest) or len(text.encode()) > _MAX_TEXT:
            return _error(400, "hash or displayText does not fit")
        asked = Asked(
            msisdn=str(body.get("phoneNumber")),
            hash_name=hash_type.lower(),
            digest=digest,
            text=text,
            seconds=_SECONDS,
            code=verification_code([digest]),
        )
        try:
            return JSONResponse({"sessionID": self.operator.ask(asked).id})
        except Unknown:
            return JSONResponse({"sessionID": self._missing()})

    async def session(self, request: Request) -> Response:
        """Tell how a session stands, after waiting as long as was asked for."""
        wanted = request.query_params.get("timeoutMs", "1000")
        left = min(int(wanted) if wanted.isdigit() else 0, _LONGEST_WAIT_MS) / 1000
        name = request.path_params["session"]
        if name == self._missing():
            return JSONResponse({"state": "COMPLETE", "result": "NOT_MID_CLIENT"})
        try:
            while (state := self.operator.state(name)).outcome is None and left > 0:
                await asyncio.sleep(_STEP)
                left -= _STEP
        except Unknown:
            return _error(404, "no such session")
        return JSONResponse(self._shown(state))

    async def cancel(self, request: Request) -> Response:
        """Take a question back; an extension of this provider."""
        try:
            self.operator.withdraw(request.path_params["session"])
        except Unknown:
            return _error(404, "no such session")
        return Response(status_code=204)

    def _shown(self, state: Transaction) -> dict[str, object]:
        if state.outcome is None:
            return {"state": "RUNNING"}
        if state.signature is None:
            return {"state": "COMPLETE", "result": _RESULTS.get(state.outcome, "INTERNAL_ERROR")}
        phone = self.operator.phone(state.asked.msisdn)
        shown: dict[str, object] = {
            "state": "COMPLETE",
            "result": "OK",
            "signature": _signature(phone, state),
        }
        if phone.certificate is not None:
            shown["cert"] = base64.b64encode(phone.certificate).decode()
        return shown

    def _known(self, body: dict[str, object]) -> bool:
        expected = self.relying_parties.get(str(body.get("relyingPartyUUID")))
        return not self.relying_parties or expected == body.get("relyingPartyName")

    @staticmethod
    def _missing() -> str:
        return "T00000000000000000000000000000000"


def _signature(phone: Phone, state: Transaction) -> dict[str, str]:
    value = state.signature or b""
    kind = "RSA"
    if isinstance(phone.key, ec.EllipticCurvePrivateKey):
        # phones give the two numbers side by side
        size = (phone.key.curve.key_size + 7) // 8
        value = b"".join(part.to_bytes(size) for part in decode_dss_signature(value))
        kind = "EC"
    algorithm = f"{state.asked.hash_name.upper()}With{kind}Encryption"
    return {"value": base64.b64encode(value).decode(), "algorithm": algorithm}


async def _body(request: Request) -> dict[str, object]:
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _error(status: int, what: str) -> JSONResponse:
    return JSONResponse({"error": what}, status_code=status)
