"""The two statements of signatures at once, for one document or for several side by side.

Each changes all its rows and writes their audit entries, or nothing; what it gives back are the
requests that it changed. Rows go as one JSON text, which costs less than a value for each column.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Final, LiteralString

from db.direct import Direct

_INTENT: Final[LiteralString] = """
WITH asked AS (
    SELECT * FROM json_to_recordset(%s::json) AS a(id uuid, actor text, certificate_id uuid,
        file_name text, level text, algorithm text, prepared text, created_at timestamptz,
        expires_at timestamptz, when_no_timestamp text, entry text)
), made AS (
    INSERT INTO sign_requests (id, status, actor, certificate_id, organization_id, file_name,
        level, algorithm, prepared, created_at, expires_at, when_no_timestamp)
    SELECT a.id, 'prepared', a.actor, c.id, c.organization_id, a.file_name, a.level, a.algorithm,
        a.prepared, a.created_at, a.expires_at, a.when_no_timestamp
        FROM asked a JOIN certificates c ON c.id = a.certificate_id AND c.status = 'active'
    RETURNING id
), told AS (
    SELECT audit_append('[' || string_agg(a.entry, ',') || ']') FROM asked a JOIN made USING (id)
)
SELECT made.id FROM made, told
"""
_FINISH: Final[LiteralString] = """
WITH asked AS (
    SELECT * FROM json_to_recordset(%s::json) AS a(id uuid, at timestamptz, level text, field text,
        document_sha256 text, document_size bigint, signature_sha256 text, proof_id uuid,
        proven_until timestamptz, entry text)
), done AS (
    UPDATE sign_requests r SET status = 'signed', completed_at = a.at, reached_level = a.level
        FROM asked a WHERE r.id = a.id AND r.status = 'prepared' RETURNING r.id, r.certificate_id
), made AS (
    INSERT INTO signatures (sign_request_id, certificate_id, signed_at, level, field,
        document_sha256, document_size, signature_sha256)
    SELECT a.id, d.certificate_id, a.at, a.level, a.field, a.document_sha256, a.document_size,
        a.signature_sha256 FROM asked a JOIN done d USING (id)
), proven AS (
    INSERT INTO document_proofs (id, sign_request_id, made_at, level, proven_until,
        document_sha256, document_size, superseded)
    SELECT a.proof_id, a.id, a.at, a.level, a.proven_until, a.document_sha256, a.document_size,
        false FROM asked a JOIN done USING (id)
), told AS (
    SELECT audit_append('[' || string_agg(a.entry, ',') || ']') FROM asked a JOIN done USING (id)
)
SELECT done.id FROM done, told
"""

Values = Mapping[str, object]
"""The columns of one row, and `entry`: its audit entry."""


def intend(direct: Direct, rows: Iterable[Values]) -> set[uuid.UUID]:
    """Commit the intents whose certificates are active; raises StatementFailed, ValueTaken."""
    return _written(direct, _INTENT, rows)


def finish(direct: Direct, rows: Iterable[Values]) -> set[uuid.UUID]:
    """Commit the signatures whose requests are still open; raises StatementFailed."""
    return _written(direct, _FINISH, rows)


def _written(direct: Direct, sql: LiteralString, rows: Iterable[Values]) -> set[uuid.UUID]:
    told = json.dumps(list(rows), default=str)
    return {identifier for (identifier,) in direct.write(sql, (told,))}
