"""Trusted lists of ETSI TS 119 612: the newest of each scheme, with the history of its services."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from db.base import UtcDateTime

revision = "0018_trusted_lists"
down_revision = "0017_search_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    moment = UtcDateTime()
    op.create_table(
        "trusted_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("territory", sa.String(), nullable=False),
        sa.Column("sequence_number", sa.Integer(), nullable=False),
        sa.Column("issued_at", moment, nullable=False),
        sa.Column("next_update", moment, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("signer_fingerprint", sa.String(), nullable=False),
        sa.Column("services", JSONB(), nullable=False),
        sa.Column("added_at", moment, nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("trusted_lists_pkey")),
        sa.UniqueConstraint(
            "operator", "territory", name=op.f("trusted_lists_operator_territory_key")
        ),
    )


def downgrade() -> None:
    """Drop the table: its lists can be imported again."""
    op.drop_table("trusted_lists")
