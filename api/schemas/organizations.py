"""Organisations, as `/organizations` takes and shows them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import BaseModel

from api.schemas.lists import Schema
from ca.models import Organization
from ca.organizations import OrganizationDetails


class OrganizationIn(Schema):
    """A unit to be added to the tree."""

    code: str
    name: str
    level: str = "unit"
    parent_id: uuid.UUID | None = None
    identifier: str | None = None

    def details(self) -> OrganizationDetails:
        """Return it as the registry takes it."""
        return OrganizationDetails(
            code=self.code,
            name=self.name,
            level=self.level,
            parent_id=self.parent_id,
            identifier=self.identifier,
        )


class OrganizationChange(Schema):
    """What can change of a unit: its name, and whether it still exists."""

    name: str | None = None
    closed: bool = False


class OrganizationOut(BaseModel):
    """A unit of the tree."""

    id: uuid.UUID
    code: str
    name: str
    level: str
    parent_id: uuid.UUID | None
    identifier: str | None
    active_from: datetime
    active_to: datetime | None

    @classmethod
    def of(cls, row: Organization) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            code=row.code,
            name=row.name,
            level=row.level,
            parent_id=row.parent_id,
            identifier=row.identifier,
            active_from=row.active_from,
            active_to=row.active_to,
        )
