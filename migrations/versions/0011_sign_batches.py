"""Batches of documents that are signed under one consent, and the result of each file."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0011_sign_batches"
down_revision = "0010_people"
branch_labels = None
depends_on = None


def _status(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=64)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sign_batches",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "status",
            _status("batchstatus", "running", "paused", "done", "cancelled"),
            nullable=False,
        ),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("when_no_timestamp", _status("whennotimestamp", "fail", "queue"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
    )
    op.create_index(None, "sign_batches", ["status"])
    op.create_table(
        "sign_batch_items",
        sa.Column("batch_id", sa.Uuid(), sa.ForeignKey("sign_batches.id"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("document_sha256", sa.String(), nullable=False),
        sa.Column("document_size", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column(
            "status",
            _status("itemstatus", "waiting", "signed", "holder", "failed", "cancelled"),
            nullable=False,
        ),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.UniqueConstraint("request_id"),
    )


def downgrade() -> None:
    """Drop the tables; signed documents and their requests stay."""
    op.drop_table("sign_batch_items")
    op.drop_table("sign_batches")
