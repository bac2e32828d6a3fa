"""API tokens, as `/api-tokens` takes and shows them."""

import uuid
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel

from api.models import ApiToken, Role
from api.permissions import Binding
from api.schemas.lists import Schema
from api.tokens import NewToken


class RoleIn(Schema):
    """A role for an organisation and everything below it; without one, everywhere."""

    role: Role
    organization_id: uuid.UUID | None = None


class TokenIn(Schema):
    """A token to be made."""

    name: str
    roles: list[RoleIn]
    expires_at: AwareDatetime | None = None

    def new_token(self) -> NewToken:
        """Return it as `api.tokens` takes it."""
        return NewToken(
            name=self.name,
            bindings=tuple(Binding(r.role, r.organization_id) for r in self.roles),
            expires_at=self.expires_at,
        )


class RoleOut(BaseModel):
    """A role of a token."""

    role: Role
    organization_id: uuid.UUID | None


class TokenOut(BaseModel):
    """A token without its secret."""

    id: uuid.UUID
    name: str
    roles: list[RoleOut]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: ApiToken) -> Self:
        """Show a row."""
        return cls(
            id=row.id,
            name=row.name,
            roles=[RoleOut(role=b.role, organization_id=b.organization_id) for b in row.bindings],
            created_at=row.created_at,
            created_by=row.created_by,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
        )


class TokenMade(TokenOut):
    """A token with its secret, which is shown this once."""

    token: str
