"""Trusted lists, as the administrators' calls take and show them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.administration import MAX_PEM_CHARACTERS
from api.schemas.options import Options
from ca import trusted_lists
from ca.models_trust import TrustedListRow


class TrustedListIn(Options):
    """Whose signature the list has to bear."""

    signer: str = Field(max_length=MAX_PEM_CHARACTERS, description="Certificate as PEM")


class TrustedListOut(BaseModel):
    """A trusted list; `current` as long as its next update is ahead."""

    id: uuid.UUID
    operator: str
    territory: str
    sequence_number: int
    issued_at: datetime
    next_update: datetime
    current: bool
    services: int
    trusted_services: int
    sha256: str
    signer_fingerprint: str
    added_at: datetime
    added_by: str

    @classmethod
    def of(cls, row: TrustedListRow, *, at: datetime) -> Self:
        """Show a row as it counts at a time."""
        return cls(
            id=row.id,
            operator=row.operator,
            territory=row.territory,
            sequence_number=row.sequence_number,
            issued_at=row.issued_at,
            next_update=row.next_update,
            current=row.next_update > at,
            services=len(row.services),
            trusted_services=trusted_lists.trusted_services(row, at=at),
            sha256=row.sha256,
            signer_fingerprint=row.signer_fingerprint,
            added_at=row.added_at,
            added_by=row.added_by,
        )
