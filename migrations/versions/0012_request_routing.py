"""When requests are due and who decides on them; the calendar of working days."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0012_request_routing"
down_revision = "0011_sign_batches"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "calendar_days",
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column(
            "kind",
            sa.Enum(
                "holiday",
                "working",
                name="daykind",
                native_enum=False,
                create_constraint=True,
                length=64,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.Column("recorded_by", sa.String(), nullable=False),
    )
    op.create_table(
        "request_routings",
        sa.Column(
            "request_id", sa.Uuid(), sa.ForeignKey("certificate_requests.id"), primary_key=True
        ),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("working_days", sa.Integer(), nullable=False),
        sa.Column("term_source", sa.String(), nullable=False),
        sa.Column("decider_id", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=False),
        sa.Column("passed_up_by", sa.String(), nullable=True),
        sa.Column("passed_up_at", UtcDateTime(), nullable=True),
    )
    op.create_index(op.f("request_routings_due_at_idx"), "request_routings", ["due_at"])


def downgrade() -> None:
    """Drop the tables with everything in them."""
    for table in ("request_routings", "calendar_days"):
        op.drop_table(table)
