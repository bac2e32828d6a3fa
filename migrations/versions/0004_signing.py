"""The record of documents: what was to be signed, what was signed, which reports were kept."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0004_signing"
down_revision = "0003_api"
branch_labels = None
depends_on = None

STATUSES = ("prepared", "waiting", "signed", "failed", "cancelled", "expired")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sign_requests",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "status",
            sa.Enum(
                *STATUSES,
                name="signrequeststatus",
                native_enum=False,
                create_constraint=True,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("prepared", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("completed_at", UtcDateTime(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.CheckConstraint("(status = 'signed') = (completed_at IS NOT NULL)", name="completed"),
    )
    for column in ("status", "certificate_id", "expires_at"):
        op.create_index(None, "sign_requests", [column])
    op.create_table(
        "signatures",
        sa.Column(
            "sign_request_id", sa.Uuid(), sa.ForeignKey("sign_requests.id"), primary_key=True
        ),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        sa.Column("signed_at", UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("document_sha256", sa.String(), nullable=False),
        sa.Column("document_size", sa.BigInteger(), nullable=False),
        sa.Column("signature_sha256", sa.String(), nullable=False),
    )
    for column in ("certificate_id", "document_sha256"):
        op.create_index(None, "signatures", [column])
    op.create_table(
        "verifications",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("checked_at", UtcDateTime(), nullable=False),
        sa.Column("document_sha256", sa.String(), nullable=False),
        sa.Column("indication", sa.String(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
    )
    op.create_index(None, "verifications", ["document_sha256"])


def downgrade() -> None:
    """Drop the tables with everything in them."""
    op.drop_table("verifications")
    op.drop_table("signatures")
    op.drop_table("sign_requests")
