"""The report on an `.edxml`: every attachment judged like a file of its own.

The message as a whole is acceptable when every attachment is there, is listed and is acceptable.
What the message says of its sender is repeated, not confirmed: only signatures confirm.
"""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Final

from pdf.report import JSON, Indication, worst
from pdf.rules import DEFAULT_RULES, Rules
from pdf.validator import CertificateValidator
from pdf.verify import verify
from signing.edoc_words import EDOC_REASONS
from signing.edxml import Attachment, EdxmlUnreadable, ExchangeDocument, read_edxml

_CHUNK: Final = 1024 * 1024


def edoc_report(
    source: BinaryIO,
    *,
    name: str,
    at: datetime,
    checked_at: datetime,
    validator: CertificateValidator,
    rules: Rules = DEFAULT_RULES,
) -> dict[str, JSON]:
    """Judge a message; what it holds is in the report, never an exception."""
    size = source.seek(0, 2)
    source.seek(0)
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
    source.seek(0)
    try:
        document = read_edxml(source)
        missing, problems = _completeness(document)
    except EdxmlUnreadable as error:
        document, missing, problems = ExchangeDocument(), [], [error.code]
    try:
        attachments = [
            _judged(one, at, checked_at, validator, rules) for one in document.attachments
        ]
    finally:
        document.close()
    incomplete = bool(problems)
    indications = [Indication(str(one["indication"])) for one in attachments]
    problems += [str(one["problem"]) for one in attachments if one["problem"]]
    if not all(one["accept"] for one in attachments):
        problems.append("ATTACHMENT_NOT_ACCEPTED")
    codes = list(dict.fromkeys(problems)) or ["ALL_PASSED"]
    return {
        "file": name,
        "sha256": digest.hexdigest(),
        "size": size,
        "checked_at": _time(checked_at),
        "validation_time": _time(at),
        "indication": _overall(indications, incomplete=incomplete).value,
        "decision": {
            "accept": codes == ["ALL_PASSED"],
            "reasons": [_reason(code) for code in codes],
        },
        "message": {**dict.fromkeys(_SAID), **document.fields},
        "missing": [*missing],
        "attachments": [*attachments],
    }


_SAID: Final = (
    "organ_id",
    "organ_name",
    "document_id",
    "code_number",
    "code_notation",
    "promulgation_date",
    "subject",
    "signer",
)


def _overall(indications: Sequence[Indication], *, incomplete: bool) -> Indication:
    """Give the worst verdict; what is missing or not listed leaves a message open."""
    if not indications:
        return Indication.NO_SIGNATURE
    found = worst(indications)
    unsigned = {Indication.NO_SIGNATURE, Indication.NOT_A_PDF} & set(indications)
    if found is Indication.TOTAL_PASSED and (unsigned or incomplete):
        return Indication.INDETERMINATE
    return found


def _completeness(document: ExchangeDocument) -> tuple[list[str], list[str]]:
    """Compare the manifest with what is attached, by content id or else by name.

    Gives the names of what is missing, and codes.
    """
    if not document.attachments and not document.listed:
        return [], ["NO_ATTACHMENT"]
    present = {key for one in document.attachments for key in (one.content_id, one.name) if key}
    listed = {key for pair in document.listed for key in pair if key}
    missing = [
        next((key for key in reversed(pair) if key), "?")
        for pair in document.listed
        if not present & {key for key in pair if key}
    ]
    problems = ["ATTACHMENT_MISSING"] if missing else []
    if document.listed and any(
        not listed & {one.content_id, one.name} for one in document.attachments
    ):
        problems.append("ATTACHMENT_UNLISTED")
    return missing, problems


def _judged(
    one: Attachment,
    at: datetime,
    checked_at: datetime,
    validator: CertificateValidator,
    rules: Rules,
) -> dict[str, JSON]:
    report: dict[str, JSON] | None = None
    indication, accept = Indication.NOT_A_PDF, False
    if one.file is not None:
        judged = verify(
            one.file,
            name=one.name,
            at=at,
            checked_at=checked_at,
            validator=validator,
            rules=rules,
        )
        report, indication, accept = judged.to_dict(), judged.indication, judged.accept
    return {
        "content_id": one.content_id,
        "name": one.name,
        "indication": indication.value,
        "accept": accept,
        "problem": one.problem,
        "report": report,
    }


def _reason(code: str) -> dict[str, JSON]:
    en, vi = EDOC_REASONS.get(code, (code, code))
    return {"code": code, "en": en, "vi": vi}


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
