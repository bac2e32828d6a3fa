"""The tables of the doors: who may call, and which answers were already given."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.base import Base, UtcDateTime, uuid7


class Role(StrEnum):
    """What a caller is for; `api/permissions.py` says what each may do."""

    ADMINISTRATOR = "administrator"
    REGISTRAR = "registrar"
    APPROVER = "approver"
    SIGNER = "signer"
    VERIFIER = "verifier"
    AUDITOR = "auditor"


class ApiToken(Base):
    """A bearer token; only its SHA-256 is kept, so that a stolen table opens nothing."""

    __tablename__ = "api_tokens"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str]
    token_sha256: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    bindings: Mapped[list["RoleBinding"]] = relationship(lazy="raise", order_by="RoleBinding.id")


class RoleBinding(Base):
    """A role that a token has for one organisation and everything below it."""

    __tablename__ = "api_token_roles"
    __table_args__ = (
        UniqueConstraint("token_id", "role", "organization_id", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    token_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("api_tokens.id"), index=True)
    role: Mapped[Role]
    organization_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id"))
    """None: everywhere."""


class IdempotencyRecord(Base):
    """A key that a caller gave to a request, and the answer once there is one."""

    __tablename__ = "idempotency_records"
    __table_args__ = (UniqueConstraint("actor", "key"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid7)
    actor: Mapped[str]
    key: Mapped[str]
    request_sha256: Mapped[str]
    object_id: Mapped[uuid.UUID]
    """Reserved for what the request makes, so that a second attempt finds the work of the first."""
    owner: Mapped[int | None] = mapped_column(BigInteger)
    """Advisory lock held by the process at work; None when nobody is."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    answer: Mapped[dict[str, object] | None] = mapped_column(JSON(none_as_null=True))
