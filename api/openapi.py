"""The OpenAPI document: made from the handlers, completed with what they cannot say themselves.

A handler's docstring is its description, the first sentence its summary. What is the same for many
calls (parameters of one name) and what answers in front of the framework (OCSP, time-stamps, files
of the PKI) is added here; examples stand in `openapi_examples.json`, and a test holds them to the
schemas.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from api.openapi_public import PATHS, TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = dict[str, Any]  # JSON, as the framework hands it over

METHODS: Final = ("get", "post", "put", "patch", "delete")
PARAMETERS: Final = {
    "actor": "Who did it, as the audit log names callers: `token:<id>` and the like",
    "action": "What was done, such as `sign.signed`",
    "as_of": "The moment that is asked about (RFC 3339)",
    "batch_id": "Id of the batch, from the answer that made it",
    "certificate_id": "Id of the certificate, or `serial:<hex>`",
    "channel_id": "Id of the channel of notices",
    "check_output": "Verify in full what was signed before it is handed out",
    "cursor": "`next_cursor` of the page before",
    "day": "A day, `YYYY-MM-DD`",
    "delegation_id": "Id of the delegation",
    "delivery_id": "Id of the delivery, also the receiver's `webhook-id`",
    "device_id": "Id of the device",
    "device_serial": "Serial number printed on the device",
    "difference_id": "Id of the difference",
    "expires_before": "Only what ends before this moment (RFC 3339)",
    "expires_from": "Only what ends at this moment or later (RFC 3339)",
    "fate": "Only documents that stand, or that fall, when the certificate is revoked",
    "format": "Form of the answer; else the Accept header decides",
    "import_id": "Id of the import",
    "incident_id": "Id of the incident",
    "issued_month": "Only those issued in this month, `YYYY-MM`",
    "issuer_id": "Id of the issuer",
    "kind": "Only of this kind",
    "level": "Only of organisations of this level",
    "limit": "Items in one answer",
    "list_id": "Id of the trusted list",
    "name": "Words of the name; Vietnamese diacritics are not needed",
    "national_id": "The holder's national id, complete",
    "number": "Number of the picture, from 1",
    "object_id": "Id of the object that it was done to",
    "object_type": "Kind of the object that it was done to, such as `certificate`",
    "organization_id": "Id of the organisation",
    "position": "Place of the document in its batch, from 0",
    "post_id": "Id of the post",
    "profile": "Only of this certificate profile",
    "request_id": "Id of the request",
    "since": "Only from this moment on (RFC 3339)",
    "snapshot_id": "Id of the frozen report",
    "state": "Only in this state",
    "status": "Only with this status",
    "subscriber_id": "Id of the subscriber",
    "taker_id": "Id of the subscriber who signs in another's place",
    "token_id": "Id of the API token",
    "under": "Only of this organisation and everything below it (its id)",
    "until": "Only before this moment (RFC 3339)",
    "upload_id": "Id of the upload",
    "valid_at": "As the tree stood at this moment (RFC 3339)",
    "verification_id": "Id of the kept report, from `X-Verification-Id`",
    "webhook_id": "Id of the webhook",
    "anchor_id": "Id of the trust anchor",
    "accept-language": "`vi` or `en`: the language of problems",
    "year": "A year, from 2000 to 2200",
}
"""What parameters of these names mean wherever a call does not say it more closely."""
_LONGEST_SUMMARY: Final = 90


class Described(FastAPI):
    """The application with its completed document."""

    def openapi(self) -> Node:
        """Return the document; it is made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            document["paths"].update(PATHS)
            document["tags"] = TAGS
            examples = _examples()
            for path, method, operation in operations(document):
                _name(operation)
                _explain(operation.get("parameters", []))
                _illustrate(operation, examples.get(f"{method.upper()} {path}", {}))
            self.openapi_schema = document
        return self.openapi_schema


def operations(document: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield path, method and operation of everything that the document lists."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def _examples() -> Node:
    text = files("api").joinpath("openapi_examples.json").read_text(encoding="utf-8")
    found: Node = json.loads(text)
    return found


def _name(operation: Node) -> None:
    """Make the first sentence the summary, as far as it is short enough to be one."""
    described = str(operation.get("description", ""))
    sentence = " ".join(described.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    if len(sentence) > _LONGEST_SUMMARY and ";" in sentence:
        sentence = sentence.partition(";")[0]
    operation["summary"] = sentence


def _explain(parameters: list[Node]) -> None:
    for parameter in parameters:
        if "description" not in parameter and parameter["name"] in PARAMETERS:
            parameter["description"] = PARAMETERS[parameter["name"]]


def _illustrate(operation: Node, examples: Node) -> None:
    """Put examples of bodies beside their schemas; `request` and `answer` name media types."""
    body = operation.get("requestBody", {}).get("content", {})
    for kind, example in examples.get("request", {}).items():
        body[kind]["example"] = example
    for status, by_kind in examples.get("answer", {}).items():
        content = operation["responses"][status].setdefault("content", {})
        for kind, example in by_kind.items():
            content.setdefault(kind, {})["example"] = example
