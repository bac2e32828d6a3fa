"""The verification report: exactly the JSON that callers rely on, as frozen dataclasses.

`DocumentReport.to_dict()` gives JSON-ready values only (times RFC 3339 in UTC). The order of
keys is part of the shape, so that the same document gives the same bytes from every door.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

from pdf.byte_range import Coverage
from pdf.change_kinds import Change, ChangeLevel
from pdf.change_words import to_dict as change_to_dict
from pdf.messages import Message, message, reason

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

CRITERIA = ("C1.1", "C1.2", "C1.3", "C1.4", "C1.5", "C2.1", "C2.2", "C2.3", "C2.4")


class Indication(StrEnum):
    """ETSI EN 319 102-1 main indications, and two for files without signatures."""

    TOTAL_PASSED = "TOTAL_PASSED"
    TOTAL_FAILED = "TOTAL_FAILED"
    INDETERMINATE = "INDETERMINATE"
    NO_SIGNATURE = "NO_SIGNATURE"
    NOT_A_PDF = "NOT_A_PDF"


class Criterion(StrEnum):
    """How one of the nine criteria stands."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, kw_only=True)
class Integrity:
    """Whether the signed bytes are as signed, and what came after them."""

    digest_match: bool
    signature_match: bool
    coverage: Coverage
    changes_after: ChangeLevel
    changes: tuple[Change, ...] = ()

    @property
    def intact(self) -> bool:
        """Whether digest and signature hold over a proper ByteRange."""
        return self.digest_match and self.signature_match and self.coverage != Coverage.PARTIAL

    @property
    def changes_permitted(self) -> bool:
        """Whether every later change was allowed."""
        return all(change.permitted_by is not None for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who signed, as the certificate says."""

    subject: str
    common_name: str | None
    organization: str | None
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    sha256_fingerprint: str


@dataclass(frozen=True, kw_only=True)
class SigningTime:
    """When: what the signer claims and what a trusted time-stamp proves."""

    claimed: datetime | None = None
    proven: datetime | None = None
    source: str | None = None


@dataclass(frozen=True, kw_only=True)
class TimestampReport:
    """One time-stamp over a signature or the document."""

    kind: str
    time: datetime | None
    authority: str | None
    indication: Indication
    sub_indication: str | None
    digest_match: bool
    signature_match: bool

    @property
    def broken(self) -> bool:
        """Whether the time-stamp belongs to other data or is forged."""
        return not (self.digest_match and self.signature_match)


@dataclass(frozen=True, kw_only=True)
class RevocationReport:
    """The status of the signer's certificate."""

    status: str = "NOT_CHECKED"
    source: str | None = None
    this_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class SignatureReport:
    """The verdict on one signature or document time-stamp."""

    index: int
    field_name: str | None
    kind: str
    sub_filter: str | None
    level: str
    indication: Indication
    sub_indication: str | None
    integrity: Integrity
    signer: Signer | None
    time: SigningTime
    timestamps: tuple[TimestampReport, ...]
    revocation: RevocationReport
    criteria: Mapping[str, Criterion]
    messages: tuple[Message, ...]
    registry: Mapping[str, JSON] | None = None

    def to_dict(self) -> dict[str, JSON]:
        """Give the JSON of one signature."""
        return {
            "index": self.index,
            "field": self.field_name,
            "kind": self.kind,
            "sub_filter": self.sub_filter,
            "level": self.level,
            "indication": self.indication.value,
            "sub_indication": self.sub_indication,
            "integrity": _integrity(self.integrity),
            "signer": _plain(self.signer, Signer),
            "time": _plain(self.time, SigningTime),
            "timestamps": [_plain(stamp, TimestampReport) for stamp in self.timestamps],
            "revocation": _plain(self.revocation, RevocationReport),
            "criteria": {code: self.criteria[code].value for code in CRITERIA},
            "registry": None if self.registry is None else dict(self.registry),
            "messages": [dict(item.to_dict()) for item in self.messages],
        }


@dataclass(frozen=True)
class Look:
    """A signature with later changes: its index, its revision's end, whether any is forbidden."""

    signature: int
    end: int
    forbidden: bool


@dataclass(frozen=True, kw_only=True)
class DocumentReport:
    """The verdict on one file."""

    file: str
    sha256: str
    size: int
    checked_at: datetime
    validation_time: datetime
    indication: Indication
    revisions: int
    encrypted: bool
    signatures: tuple[SignatureReport, ...] = ()
    reasons: tuple[str, ...] = field(default=())
    looks: tuple[Look, ...] = ()
    """Where pictures of changed pages are worth drawing; not a part of the JSON."""

    @property
    def accept(self) -> bool:
        """Whether a clerk may accept the document."""
        return self.indication is Indication.TOTAL_PASSED and self.reasons == ("ALL_PASSED",)

    def to_dict(self) -> dict[str, JSON]:
        """Give the JSON of the report."""
        return {
            "file": self.file,
            "sha256": self.sha256,
            "size": self.size,
            "checked_at": _time(self.checked_at),
            "validation_time": _time(self.validation_time),
            "indication": self.indication.value,
            "decision": {
                "accept": self.accept,
                "reasons": [dict(reason(code)) for code in self.reasons],
            },
            "revisions": self.revisions,
            "encrypted": self.encrypted,
            "signatures": [signature.to_dict() for signature in self.signatures],
        }

    def with_registry(self, known: Mapping[int, Mapping[str, JSON]]) -> "DocumentReport":
        """Give the report with what the registry knows, by index of the signature."""
        signatures = tuple(
            replace(item, registry=known.get(item.index, item.registry)) for item in self.signatures
        )
        return replace(self, signatures=signatures)


def worst(indications: Iterable[Indication]) -> Indication:
    """Give the worst indication of all signatures; NO_SIGNATURE when there is none."""
    order = (Indication.TOTAL_FAILED, Indication.INDETERMINATE, Indication.TOTAL_PASSED)
    given = set(indications)
    return next((item for item in order if item in given), Indication.NO_SIGNATURE)


def decide(indication: Indication, signatures: tuple[SignatureReport, ...]) -> tuple[str, ...]:
    """Reason codes of the decision; only ("ALL_PASSED",) accepts."""
    if indication in {Indication.NO_SIGNATURE, Indication.NOT_A_PDF}:
        return (indication.value,)
    reasons: list[str] = []
    for item in signatures:
        if item.integrity.changes_after is ChangeLevel.OTHER or not (
            item.integrity.changes_permitted
        ):
            reasons.append("CHANGED_AFTER_SIGNING")
        if item.indication is Indication.TOTAL_FAILED:
            reasons.append(_WHY_FAILED.get(item.sub_indication or "", "SIGNATURE_FAILED"))
        elif item.indication is Indication.INDETERMINATE:
            reasons.append(_WHY_OPEN.get(item.sub_indication or "", "NOT_CONFIRMED"))
        elif item.criteria["C1.2"] is Criterion.NOT_CHECKED:
            # valid as a signature, but a receiving office has to know the status too
            reasons.append("STATUS_NOT_CHECKED")
        codes = {one.code for one in item.messages}
        reasons += [reason for code, reason in _TO_BE_LOOKED_AT.items() if code in codes]
        if any(stamp.broken for stamp in item.timestamps):
            reasons.append("TIMESTAMP_BROKEN")
    return tuple(dict.fromkeys(reasons)) or ("ALL_PASSED",)


_TO_BE_LOOKED_AT = {
    "CHANGES_NOT_COMPARED": "CHANGES_NOT_COMPARED",
    "FILLED_FIELD_COVERS_CONTENT": "CONTENT_COVERED",
    "SIGNED_CONTENT_AMBIGUOUS": "CONTENT_AMBIGUOUS",
}
"""Valid as a signature, and yet what people see has to be looked at: message code -> reason."""
_WHY_FAILED = dict.fromkeys(("REVOKED", "EXPIRED", "NOT_YET_VALID"), "SIGNED_OUT_OF_TIME")
_WHY_OPEN = {
    "REVOKED_NO_POE": "CERTIFICATE_REVOKED",
    "REVOKED_CA_NO_POE": "CERTIFICATE_REVOKED",
    "NO_CERTIFICATE_CHAIN_FOUND": "CERTIFICATE_NOT_TRUSTED",
    "NO_CERTIFICATE_CHAIN_FOUND_NO_POE": "CERTIFICATE_NOT_TRUSTED",
}


def messages_for(codes: Iterable[str]) -> tuple[Message, ...]:
    """Messages for codes, each once, in order."""
    return tuple(message(code) for code in dict.fromkeys(codes))


def _time(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object, kind: type) -> JSON:
    """Give a dataclass as JSON, in the order of its fields."""
    if value is None:
        return None
    result: dict[str, JSON] = {}
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]  # a dataclass
        item = getattr(value, name)
        result[name] = _time(item) if isinstance(item, datetime) else item
    return result


def _integrity(value: Integrity) -> JSON:
    return {
        "digest_match": value.digest_match,
        "signature_match": value.signature_match,
        "coverage": value.coverage.value,
        "changes_after": value.changes_after.value,
        "changes": [dict(change_to_dict(change)) for change in value.changes],
    }
