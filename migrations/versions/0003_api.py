"""The tables of the doors: API tokens with their roles, and the answers to Idempotency-Keys."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0003_api"
down_revision = "0002_registry"
branch_labels = None
depends_on = None

ROLES = ("administrator", "registrar", "approver", "signer", "verifier", "auditor")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_sha256", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.UniqueConstraint("token_sha256"),
    )
    op.create_table(
        "api_token_roles",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("token_id", sa.Uuid(), sa.ForeignKey("api_tokens.id"), nullable=False),
        sa.Column(
            "role",
            sa.Enum(*ROLES, name="role", native_enum=False, create_constraint=True, length=64),
            nullable=False,
        ),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=True),
        sa.UniqueConstraint(
            "token_id", "role", "organization_id", postgresql_nulls_not_distinct=True
        ),
    )
    op.create_index(None, "api_token_roles", ["token_id"])
    op.create_table(
        "idempotency_records",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
        sa.UniqueConstraint("actor", "key"),
    )
    op.create_index(None, "idempotency_records", ["created_at"])


def downgrade() -> None:
    """Drop the tables, and with them every token and remembered answer."""
    op.drop_table("idempotency_records")
    op.drop_table("api_token_roles")
    op.drop_table("api_tokens")
