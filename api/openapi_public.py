"""What the OpenAPI document says of the calls that answer without a login, before the framework."""

from __future__ import annotations

from typing import Any, Final

from api.responses import problem_content

_BYTES: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
_PKI: Final = "public key infrastructure"
TAGS: Final = [
    {"name": "sign", "description": "Sign documents, alone, in batches, now or by their holders"},
    {"name": "verify", "description": "Judge signatures; keep and repeat verdicts"},
    {"name": _PKI, "description": "OCSP, time-stamps, certificates and CRLs; no login"},
    {"name": "health", "description": "Liveness, readiness and figures; no login"},
]


def _problem(what: str) -> dict[str, Any]:
    return {"description": what, "content": problem_content()}


def _found(kind: str, what: str) -> dict[str, Any]:
    return {"description": what, "content": {kind: {"schema": _BYTES}}}


def _path_parameter(name: str, what: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema, "description": what}


_AUTHORITY: Final = _path_parameter(
    "authority", "Short name of the authority as certificates give it, such as `issuing`"
)
_SHARD: Final = _path_parameter("shard", "Number of the part of a divided list")
_NO_SUCH: Final = _problem("No such authority or list")
_WRONG_METHOD: Final = _problem("Another method is needed; Allow names it")


def _file(name: str, kind: str, described: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "tags": [_PKI],
            "description": described,
            "operationId": name,
            "parameters": [_AUTHORITY, *more],
            "responses": {
                "200": _found(kind, "The file, with an ETag"),
                "304": {"description": "Unchanged since the ETag of If-None-Match"},
                "404": _NO_SUCH,
                "405": _WRONG_METHOD,
            },
        }
    }


_CRL: Final = "application/pkix-crl"
_OCSP: Final = _found(
    "application/ocsp-response",
    "An OCSP answer; what went wrong is said inside, as RFC 6960 has it",
)
PATHS: Final[dict[str, Any]] = {
    "/ocsp": {
        "post": {
            "tags": [_PKI],
            "description": "Ask for the status of certificates (RFC 6960 A.1).\n\nThe answer is no "
            "older than the last change. A nonce (RFC 9654) gets an answer signed for it.",
            "operationId": "ocsp_post",
            "requestBody": {
                "required": True,
                "content": {"application/ocsp-request": {"schema": _BYTES}},
            },
            "responses": {"200": _OCSP, "405": _WRONG_METHOD},
        }
    },
    "/ocsp/{request}": {
        "get": {
            "tags": [_PKI],
            "description": "Ask for the status of a certificate by GET (RFC 6960 A.1).",
            "operationId": "ocsp_get",
            "parameters": [
                _path_parameter("request", "The DER request in base64, escaped for an address")
            ],
            "responses": {"200": _OCSP, "405": _WRONG_METHOD},
        }
    },
    "/tsa": {
        "post": {
            "tags": [_PKI],
            "description": "Have a digest time-stamped (RFC 3161 3.4).",
            "operationId": "tsa",
            "requestBody": {
                "required": True,
                "content": {"application/timestamp-query": {"schema": _BYTES}},
            },
            "responses": {
                "200": _found(
                    "application/timestamp-reply", "A time-stamp, or inside it why there is none"
                ),
                "405": _WRONG_METHOD,
            },
        }
    },
    "/pki/{authority}.cer": _file(
        "authority_certificate", "application/pkix-cert", "Fetch the certificate of an authority."
    ),
    "/pki/{authority}.crl": _file(
        "crl", _CRL, "Fetch the newest list of revoked certificates of an authority (RFC 5280 5)."
    ),
    "/pki/{authority}/delta.crl": _file(
        "delta_crl", _CRL, "Fetch what was revoked since the complete list (RFC 5280 5.2.4)."
    ),
    "/pki/{authority}/{shard}.crl": _file(
        "crl_part", _CRL, "Fetch one part of a divided list (RFC 5280 5.2.5).", _SHARD
    ),
    "/pki/{authority}/{shard}/delta.crl": _file(
        "delta_crl_part", _CRL, "Fetch what was revoked since one part of a divided list.", _SHARD
    ),
}
