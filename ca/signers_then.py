"""What a known signer was when a document was signed: post, unit by its name then, delegations.

One statement for all signers of a document; what held at which moment is worked out here, since
each signature has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterable

    from ca.known_signers import KnownSigner
    from db.reads import Reads

CAREERS: Final[LiteralString] = """
WITH held AS (
    SELECT 'post' AS kind, p.subscriber_id AS whose, p.organization_id, p.title AS what,
        NULL AS form, NULL AS giver, p.document_reference, p.began_at, p.ended_at
    FROM posts p WHERE p.subscriber_id = ANY(%s)
    UNION ALL
    SELECT 'delegation', d.taker_id, d.organization_id, d.scope, d.form, g.full_name,
        d.document_reference, d.began_at, least(d.ended_at, d.withdrawn_at)
    FROM delegations d LEFT JOIN subscribers g ON g.id = d.giver_id WHERE d.taker_id = ANY(%s)
)
SELECT h.kind, h.whose, h.organization_id, o.name, o.code, h.what, h.form, h.giver,
    h.document_reference, h.began_at, h.ended_at
FROM held h JOIN organizations o ON o.id = h.organization_id
UNION ALL
SELECT 'name', NULL, n.organization_id, n.name, NULL, NULL, NULL, NULL, NULL, NULL, n.used_until
FROM organization_names n
WHERE n.organization_id = ANY(%s) OR n.organization_id IN (SELECT organization_id FROM held)
"""


class _Row(NamedTuple):
    """A post, a delegation, or a name that a unit had until `ended_at`."""

    kind: str
    whose: uuid.UUID | None
    organization_id: uuid.UUID
    name: str
    code: str | None
    what: str
    form: str | None
    giver: str | None
    document_reference: str | None
    began_at: datetime
    ended_at: datetime | None

    def held_at(self, at: datetime) -> bool:
        """Whether it held at a time, which documents tell to the second."""
        began = self.began_at.astimezone(UTC).replace(microsecond=0)
        return began <= at and (self.ended_at is None or at < self.ended_at)


@dataclass(frozen=True, slots=True)
class PostThen:
    """A post, and its unit as it was called."""

    title: str
    organization: str
    organization_code: str


@dataclass(frozen=True, slots=True)
class DelegationThen:
    """That the signer could sign in another's place."""

    form: str
    giver: str | None
    organization: str
    organization_code: str
    scope: str
    document_reference: str | None


@dataclass(frozen=True, slots=True)
class SignerThen:
    """What a signer was at a moment; `status` is None before the certificate was issued."""

    organization: str
    posts: tuple[PostThen, ...]
    """Those in the certificate's own unit first, then the latest."""
    delegations: tuple[DelegationThen, ...]
    status: str | None


class Careers:
    """What is on record about some signers, asked about any moment."""

    def __init__(self, rows: Iterable[_Row]) -> None:
        self._rows = tuple(rows)

    def of(self, signer: KnownSigner, *, at: datetime) -> SignerThen:
        """Return what the signer was at that time."""
        own = [row for row in self._rows if row.whose == signer.subscriber_id and row.held_at(at)]
        posts = sorted(
            (row for row in own if row.kind == "post"),
            key=lambda row: (
                row.organization_id != signer.organization_id,
                -row.began_at.timestamp(),
            ),
        )
        before = [change.status for change in signer.history if change.at <= _second_after(at)]
        return SignerThen(
            organization=self._called(signer.organization_id, signer.organization, at),
            posts=tuple(PostThen(row.what, self._unit(row, at), row.code or "") for row in posts),
            delegations=tuple(
                DelegationThen(
                    row.form or "",
                    row.giver,
                    self._unit(row, at),
                    row.code or "",
                    row.what,
                    row.document_reference,
                )
                for row in own
                if row.kind == "delegation"
            ),
            status=before[-1] if before else None,
        )

    def _unit(self, row: _Row, at: datetime) -> str:
        return self._called(row.organization_id, row.name, at)

    def _called(self, organization_id: uuid.UUID, now: str, at: datetime) -> str:
        later = [
            (row.ended_at, row.name)
            for row in self._rows
            if row.kind == "name"
            and row.organization_id == organization_id
            and row.ended_at is not None
            and row.ended_at > at
        ]
        return min(later)[1] if later else now


def careers(registry: Reads, signers: Collection[KnownSigner]) -> Careers:
    """Read what is on record about these signers; raises StatementFailed."""
    if not signers:
        return Careers(())
    people = sorted({signer.subscriber_id for signer in signers})
    units = sorted({signer.organization_id for signer in signers})
    return Careers(_Row(*row) for row in registry.read(CAREERS, (people, people, units)))


def _second_after(at: datetime) -> datetime:
    """Documents tell their time to the second: a change within it may have come before."""
    return at.replace(microsecond=999_999)
