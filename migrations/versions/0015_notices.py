"""Notices before certificates end: the channels, and each notice once."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0015_notices"
down_revision = "0014_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "notice_channels",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("organization_id", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=False),
        _one_of("kind", "channelkind", "email", "webhook"),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.UniqueConstraint("organization_id", "kind", "target"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        _one_of("kind", "channelkind", "email", "webhook"),
        sa.Column("target", sa.String(), nullable=False),
        _one_of("state", "noticestate", "waiting", "sent", "given_up"),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("last_problem", sa.String(), nullable=True),
        sa.UniqueConstraint("certificate_id", "threshold", "kind", "target"),
    )
    op.create_index(
        "notices_waiting_idx",
        "notices",
        ["kind", "target"],
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    """Drop the tables with everything in them."""
    op.drop_table("notices")
    op.drop_table("notice_channels")


def _one_of(name: str, kind: str, *values: str) -> sa.Column[str]:
    text = sa.Enum(*values, name=kind, native_enum=False, create_constraint=True, length=64)
    return sa.Column(name, text, nullable=False)
