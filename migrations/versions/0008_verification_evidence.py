"""What kept verdicts rest on, and the tombstones of those that were destroyed."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0008_verification_evidence"
down_revision = "0007_publication"
branch_labels = None
depends_on = None


def _of_verification() -> sa.Column[object]:
    return sa.Column(
        "verification_id", sa.Uuid(), sa.ForeignKey("verifications.id"), primary_key=True
    )


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "verification_evidence",
        _of_verification(),
        sa.Column("manifest", sa.JSON(), nullable=False),
    )
    op.create_table(
        "evidence_items",
        sa.Column("sha256", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "evidence_uses",
        _of_verification(),
        sa.Column("sha256", sa.String(), sa.ForeignKey("evidence_items.sha256"), primary_key=True),
    )
    op.create_index(None, "evidence_uses", ["sha256"])
    op.create_table(
        "verification_tombstones",
        _of_verification(),
        sa.Column("destroyed_at", UtcDateTime(), nullable=False),
        sa.Column("destroyed_by", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "verification_tombstones",
        "evidence_uses",
        "evidence_items",
        "verification_evidence",
    ):
        op.drop_table(table)
