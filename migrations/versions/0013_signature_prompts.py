"""Questions to people who sign on a phone or at a service, and the code both sides show."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0013_signature_prompts"
down_revision = "0012_request_routing"
branch_labels = None
depends_on = None

STATES = ("open", "asked", "answered", "refused", "withdrawn", "closed")


def upgrade() -> None:
    """Make the tables and the column."""
    op.add_column("sign_requests", sa.Column("verification_code", sa.String(), nullable=True))
    state = sa.Enum(
        *STATES, name="promptstate", native_enum=False, create_constraint=True, length=64
    )
    op.create_table(
        "signature_prompts",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("key_uri", sa.String(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
    )
    for column in ("certificate_id", "state"):
        op.create_index(None, "signature_prompts", [column])
    op.create_table(
        "signature_prompt_items",
        sa.Column(
            "sign_request_id", sa.Uuid(), sa.ForeignKey("sign_requests.id"), primary_key=True
        ),
        sa.Column("prompt_id", sa.Uuid(), sa.ForeignKey("signature_prompts.id"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=True),
        sa.UniqueConstraint("prompt_id", "position"),
    )


def downgrade() -> None:
    """Drop the tables and the column."""
    op.drop_table("signature_prompt_items")
    op.drop_table("signature_prompts")
    op.drop_column("sign_requests", "verification_code")
