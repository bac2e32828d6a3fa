"""Raising documents from outside, with our time-stamps and evidence, and the record of it."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from db import audit
from pdf.extend import Extended, ExtensionOptions
from pdf.options import Level
from signing.desk import Desk
from signing.documents import RETENTION, sha256_of
from signing.models_kept import KeptAs, KeptDocument
from signing.proofs import Version, of_document, record_proof


@dataclass(frozen=True)
class Documents:
    """What is extended, and where to; with `content`, the source is a signature beside it."""

    source: BinaryIO
    target: BinaryIO
    content: BinaryIO | None = None


def extend(
    desk: Desk,
    documents: Documents,
    *,
    level: Level,
    at: datetime,
    actor: str,
    password: str | None = None,
) -> Extended:
    """Write the source to the target with its signatures raised to a level.

    A document that was signed here is recognised by its hash, and the proof of the new version is
    recorded in its place. Raises the errors of `pdf.extend`, WorkersBusy.
    """
    source, target = documents.source, documents.target
    options = ExtensionOptions(
        level=level,
        at=at,
        timestamps=desk.timestamps,
        evidence=desk.evidence,
        password=password,
    )
    extended = desk.extend(source, target, options, content=documents.content)
    before, _ = sha256_of(source)
    after, size = sha256_of(target)
    with desk.sessions.begin() as session:
        known = of_document(session, before)
        if known is not None and extended.changed and extended.proven_until is not None:
            version = Version(extended.level, extended.proven_until, after, size)
            record_proof(session, known.sign_request_id, version, at=at)
        audit.record(
            session,
            at=at,
            actor=actor,
            action="document.extended",
            object_type="document",
            object_id=before,
            after={"level": level, "sha256": after, "changed": extended.changed},
        )
    return extended


def extension_of(
    request_id: uuid.UUID, file_name: str, *, sha256: str, size: int, at: datetime, actor: str
) -> KeptDocument:
    """Return the row of a stored extension, so that its bytes are counted as its caller's.

    `sha256` is of the document as it was sent, `size` of the stored one.
    """
    return KeptDocument(
        id=request_id,
        kept_as=KeptAs.EXTENSION,
        actor=actor,
        file_name=file_name,
        sha256=sha256,
        size=size,
        kept_at=at,
        expires_at=at + RETENTION,
    )
