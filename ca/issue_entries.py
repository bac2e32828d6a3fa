"""Audit entries of issuing in groups: five for each certificate, so they are written by form.

Each text is the canonical JSON (`db.canonical`) of the object that `ca.requests` and `ca.issue`
record for a single certificate; what all of a group share is quoted once.
"""

import functools
import hashlib
from datetime import datetime

from ca.issue_rows import RequestFacts
from ca.models import CertificateStatus, RequestState
from db import audit
from db.base import uuid7
from db.canonical import canonical_json

_quoted = functools.lru_cache(maxsize=1024)(canonical_json)
"""For texts that many entries repeat."""


def step(
    request: RequestFacts,
    steps: tuple[RequestState, RequestState],
    *,
    note: object,
    at: datetime,
    actor: str,
) -> str:
    """Write that a request went from one state to another."""
    before, after = steps
    action = f"certificate_request.{after.value}"
    form = audit.form(at=at, actor=actor, action=action, object_type="certificate_request")
    said = (
        f'{{"kind":{_quoted(request.kind.value)},"note":{_quoted(note)}'
        f',"profile":{_quoted(request.profile)},"state":{_quoted(after.value)}'
        f',"subscriber_id":"{request.subscriber.id}"}}'
    )
    was = f'{{"state":{_quoted(before.value)}}}'
    return form.append_json(uuid7(), str(request.id), before=was, after=said)


def certificate(
    columns: dict[str, object],
    action: str,
    *,
    at: datetime,
    actor: str,
    note: str | None = None,
) -> str:
    """Write what became of a certificate, from its columns as they are now."""
    form = audit.form(at=at, actor=actor, action=action, object_type="certificate")
    status, to_be_signed = columns["status"], columns["tbs"]
    state = status.value if isinstance(status, CertificateStatus) else None
    digest = hashlib.sha256(to_be_signed).hexdigest() if isinstance(to_be_signed, bytes) else None
    fingerprint = columns.get("sha256_fingerprint")
    said = (
        f'{{"note":{_quoted(note)},"profile":{_quoted(columns["profile"])}'
        f',"request_id":"{columns["request_id"]}","serial_number":"{columns["serial_number"]}"'
        f',"sha256_fingerprint":{_hexadecimal(fingerprint)},"status":{_quoted(state)}'
        f',"subject":{_quoted(columns["subject"])},"tbs_sha256":{_hexadecimal(digest)}}}'
    )
    return form.append_json(uuid7(), str(columns["id"]), before=None, after=said)


def _hexadecimal(digits: object) -> str:
    return "null" if digits is None else f'"{digits}"'
