"""Audit entries of issuing in groups: five for each certificate, so they are written by form.

Each text is the canonical JSON (`db.canonical`) of the object that `ca.requests` and `ca.issue`
record for a single certificate; what all of a group share is quoted once.
"""

import functools
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

from ca.issue_rows import RequestFacts
from ca.models import CertificateStatus, RequestKind, RequestState
from db import audit
from db.base import uuid7
from db.canonical import canonical_json

_quoted = functools.lru_cache(maxsize=1024)(canonical_json)
"""For texts that many entries repeat."""


class Entries:
    """Writes what becomes of one request and its certificate."""

    __slots__ = ("_actor", "_at", "_certificate", "_request", "_subscriber", "columns", "request")

    def __init__(
        self, request: RequestFacts, columns: Mapping[str, object], *, at: datetime, actor: str
    ) -> None:
        self.request, self.columns = request, columns
        self._at, self._actor = at, actor
        self._request, self._certificate = str(request.id), str(columns["id"])
        self._subscriber = str(request.subscriber.id)

    def step(self, before: RequestState, after: RequestState, *, note: object) -> str:
        """Write that the request went from one state to another."""
        form, head, middle, was = _step(
            (before, after), self._at, self._actor, (self.request.kind, self.request.profile)
        )
        said = f'{head}{_quoted(note)}{middle}"{self._subscriber}"}}'
        return form.append_json(uuid7(), self._request, before=was, after=said)

    def certificate(self, action: str, *, note: str | None = None) -> str:
        """Write what became of the certificate, from its columns as they are now."""
        columns = self.columns
        status, to_be_signed = columns["status"], columns["tbs"]
        state = status.value if isinstance(status, CertificateStatus) else None
        digest = sha256(to_be_signed).hexdigest() if isinstance(to_be_signed, bytes) else None
        said = (
            f'{{"note":{_quoted(note)},"profile":{_quoted(columns["profile"])}'
            f',"request_id":"{self._request}","serial_number":"{columns["serial_number"]}"'
            f',"sha256_fingerprint":{_hexadecimal(columns.get("sha256_fingerprint"))}'
            f',"status":{_quoted(state)},"subject":{_quoted(columns["subject"])}'
            f',"tbs_sha256":{_hexadecimal(digest)}}}'
        )
        form = audit.form(at=self._at, actor=self._actor, action=action, object_type="certificate")
        return form.append_json(uuid7(), self._certificate, before=None, after=said)


@functools.lru_cache(maxsize=64)
def _step(
    steps: tuple[RequestState, RequestState],
    at: datetime,
    actor: str,
    about: tuple[RequestKind, str],
) -> tuple[audit.EntryForm, str, str, str]:
    """Write what many entries share: the form, `after` around note and subscriber, `before`."""
    (before, after), (kind, profile) = steps, about
    action = f"certificate_request.{after.value}"
    form = audit.form(at=at, actor=actor, action=action, object_type="certificate_request")
    head = f'{{"kind":{_quoted(kind.value)},"note":'
    middle = f',"profile":{_quoted(profile)},"state":{_quoted(after.value)},"subscriber_id":'
    return form, head, middle, f'{{"state":{_quoted(before.value)}}}'


def _hexadecimal(digits: object) -> str:
    return "null" if digits is None else f'"{digits}"'
