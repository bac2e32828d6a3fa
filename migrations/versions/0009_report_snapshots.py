"""Reports that were frozen at the end of a period; nobody changes or deletes one."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0009_report_snapshots"
down_revision = "0008_verification_evidence"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION report_snapshots_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a frozen report is neither changed nor deleted';
END $$;

CREATE TRIGGER report_snapshots_stay BEFORE UPDATE OR DELETE ON report_snapshots
    FOR EACH ROW EXECUTE FUNCTION report_snapshots_stay();
"""


def upgrade() -> None:
    """Make the table and what guards it."""
    op.create_table(
        "report_snapshots",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("under", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=True),
        sa.Column("by", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("as_of", UtcDateTime(), nullable=False),
        sa.Column("known_at", UtcDateTime(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.CheckConstraint("as_of <= known_at", "in_the_past"),
    )
    op.create_index(
        "report_snapshots_once",
        "report_snapshots",
        [
            "period",
            sa.text("coalesce(under, '00000000-0000-0000-0000-000000000000'::uuid)"),
            "by",
        ],
        unique=True,
    )
    op.execute(FUNCTION)


def downgrade() -> None:
    """Drop the table with everything in it."""
    op.drop_table("report_snapshots")
    op.execute("DROP FUNCTION report_snapshots_stay()")
