"""A signing service of the Cloud Signature Consortium's API, small and strict, for tests.

It takes the field names of v1.0.4 and of v2. An authorisation (SAD) is good for a minute, once, and
only for the very hashes it was given for (SCAL2). `confirming` keeps it back until somebody
confirms; `asynchronous` keeps the signatures back until they are fetched.
"""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from asn1crypto.algos import RSASSAPSSParams
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

PIN = "28461937"
OTP = "553311"
TOKEN = "cloud-token-5f1e9c"  # noqa: S105 -- of a service in this process
CLIENT_SECRET = "client-secret-88ab"  # noqa: S105 -- as above
SAD_SECONDS = 60
HASHES = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
RSA_OIDS = {"1.2.840.113549.1.1.11", "1.2.840.113549.1.1.12", "1.2.840.113549.1.1.13"}
PSS_OID = "1.2.840.113549.1.1.10"
EC_OIDS = {"1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3"}
Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass
class CscStub:
    """The service and what it saw."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    chain: list[bytes] = field(default_factory=list)
    scal: str = "2"
    multisign: int = 10
    needs_otp: bool = False
    confirming: bool = False
    asynchronous: bool = False
    wrong: bool = False
    key_status: str = "enabled"
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    fetched_tokens: int = 0
    calls: list[str] = field(default_factory=list)
    _sads: dict[str, tuple[float, set[str], int]] = field(default_factory=dict)
    _handles: dict[str, tuple[bool, str]] = field(default_factory=dict)
    _responses: dict[str, tuple[bool, list[str]]] = field(default_factory=dict)

    def app(self) -> Starlette:
        methods = {
            "info": self.info,
            "credentials/info": self.credential,
            "credentials/authorize": self.authorize,
            "credentials/authorizeCheck": self.check,
            "signatures/signHash": self.sign,
            "signatures/signPolling": self.poll,
        }
        routes = [
            Route(f"/csc/{version}/{name}", self._handler(name, method), methods=["POST"])
            for version in ("v1", "v2")
            for name, method in methods.items()
        ]
        return Starlette(routes=[*routes, Route("/oauth2/token", self.token, methods=["POST"])])

    def confirm(self) -> None:
        """Confirm everything that waits."""
        self._handles = {name: (True, sad) for name, (_, sad) in self._handles.items()}
        self._responses = {name: (True, made) for name, (_, made) in self._responses.items()}

    def _handler(self, name: str, method: Any) -> Any:  # noqa: ANN401 -- of the framework
        async def handle(request: Request) -> Response:
            self.calls.append(name)
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            content = await request.body()
            try:
                if name == "info" or bearer in self.tokens:
                    return JSONResponse(method(json.loads(content)))
                error = Refused("invalid_token", 401)
            except Refused as refusal:
                error = refusal
            # it quotes what it was sent, secrets included, as careless services do
            told = {"error": error.code, "error_description": f"given: {content!r}"}
            return JSONResponse(told, status_code=error.status)

        return handle

    async def token(self, request: Request) -> Response:
        form = await request.form()
        if form.get("client_secret") != CLIENT_SECRET or form.get("client_id") != "antin":
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        self.fetched_tokens += 1
        made = secrets.token_urlsafe(12)
        self.tokens = {made}
        return JSONResponse({"access_token": made, "token_type": "Bearer", "expires_in": 3600})

    def info(self, body: Json) -> Json:  # noqa: ARG002 -- every method takes a body
        return {"specs": "2.0.0.2", "name": "stub", "methods": ["credentials/info"]}

    def credential(self, body: Json) -> Json:
        self._known(body)
        rsa_key = isinstance(self.key, rsa.RSAPrivateKey)
        algorithms = {*RSA_OIDS, PSS_OID} if rsa_key else EC_OIDS
        objects = [{"type": "Password", "id": "PIN"}]
        if self.needs_otp:
            objects.append({"type": "Password", "id": "OTP"})
        return {
            "key": {"status": self.key_status, "algo": sorted(algorithms), "len": 2048},
            "cert": {"status": "valid", "certificates": _encoded(self.chain)},
            "authMode": "explicit",
            "PIN": {"presence": "true"},
            "OTP": {"presence": str(self.needs_otp).lower()},
            "auth": {"mode": "explicit", "objects": objects},
            "SCAL": self.scal,
            "multisign": self.multisign,
        }

    def authorize(self, body: Json) -> Json:
        self._known(body)
        given = {one["id"]: one["value"] for one in body.get("authData", [])} | body
        if given.get("PIN") != PIN:
            raise Refused("invalid_pin")
        if self.needs_otp and given.get("OTP") != OTP:
            raise Refused("invalid_otp")
        pinned = set(body.get("hash") or body.get("hashes") or [])
        if self.scal == "2" and len(pinned) != body["numSignatures"]:
            raise Refused("invalid_request")
        sad = secrets.token_urlsafe(16)
        self._sads[sad] = (time.monotonic() + SAD_SECONDS, pinned, body["numSignatures"])
        if self.confirming:
            handle = secrets.token_urlsafe(8)
            self._handles[handle] = (False, sad)
            return {"handle": handle}
        return {"SAD": sad, "expiresIn": SAD_SECONDS}

    def check(self, body: Json) -> Json:
        confirmed, sad = self._handles.get(body["handle"], (False, ""))
        if not confirmed:
            raise Refused("authorization_pending")
        return {"SAD": sad, "expiresIn": SAD_SECONDS}

    def sign(self, body: Json) -> Json:
        self._known(body)
        ends, pinned, count = self._sads.pop(body.get("SAD", ""), (0.0, set(), 0))
        wanted = body.get("hash") or body.get("hashes") or []
        if time.monotonic() > ends or len(wanted) > count:
            raise Refused("invalid_request")
        if self.scal == "2" and not set(wanted) <= pinned:
            raise Refused("invalid_request")
        oid = body.get("hashAlgo") or body.get("hashAlgorithmOID")
        made = [self._signed(base64.b64decode(one), oid, body) for one in wanted]
        if body.get("operationMode") == "A":
            name = secrets.token_urlsafe(8)
            self._responses[name] = (False, made)
            return {"responseID": name}
        return {"signatures": made}

    def poll(self, body: Json) -> Json:
        ready, made = self._responses[body["responseID"]]
        if not ready:
            raise Refused("not_ready")
        return {"signatures": made}

    def _known(self, body: Json) -> None:
        if body.get("credentialID") != "cred-1":
            raise Refused("credential_not_found")

    def _signed(self, digest: bytes, oid: str, body: Json) -> str:
        if self.wrong:
            digest = bytes(byte ^ 1 for byte in digest)
        hashed = Prehashed(HASHES[oid])
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return _encoded([self.key.sign(digest, ec.ECDSA(hashed))])[0]
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if body["signAlgo"] == PSS_OID:
            asked = RSASSAPSSParams.load(base64.b64decode(body["signAlgoParams"]))
            scheme = padding.PSS(padding.MGF1(HASHES[oid]), asked["salt_length"].native)
        return _encoded([self.key.sign(digest, scheme, hashed)])[0]


def _encoded(values: list[bytes]) -> list[str]:
    return [base64.b64encode(value).decode() for value in values]
