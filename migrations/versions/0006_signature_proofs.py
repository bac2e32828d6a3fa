"""Until when a signed document can be proven, and levels that are still to be reached."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0006_signature_proofs"
down_revision = "0005_known_issuers"
branch_labels = None
depends_on = None

WISHES = ("fail", "queue")
STATES = ("queued", "done", "failed")


def _words(words: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=64)


def upgrade() -> None:
    """Add the columns and make the table; what was signed before has its proof from the level."""
    op.add_column(
        "sign_requests",
        sa.Column(
            "when_no_timestamp",
            _words(WISHES, "whennotimestamp"),
            nullable=False,
            server_default="fail",
        ),
    )
    op.add_column("sign_requests", sa.Column("reached_level", sa.String(), nullable=True))
    op.add_column(
        "sign_requests",
        sa.Column("upgrade", _words(STATES, "upgradestate"), nullable=True),
    )
    op.add_column("sign_requests", sa.Column("upgrade_error", sa.String(), nullable=True))
    # the default was for the rows that are there; the model always says what it wants
    op.alter_column("sign_requests", "when_no_timestamp", server_default=None)
    op.execute("UPDATE sign_requests SET reached_level = level WHERE status = 'signed'")
    op.create_index(
        "ix_sign_requests_upgrade_queued",
        "sign_requests",
        ["upgrade"],
        postgresql_where=sa.text("upgrade = 'queued'"),
    )
    op.create_table(
        "document_proofs",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column(
            "sign_request_id",
            sa.Uuid(),
            sa.ForeignKey("signatures.sign_request_id"),
            nullable=False,
        ),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("proven_until", UtcDateTime(), nullable=False),
        sa.Column("document_sha256", sa.String(), nullable=False),
        sa.Column("document_size", sa.BigInteger(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
    )
    for column in ("sign_request_id", "document_sha256"):
        op.create_index(None, "document_proofs", [column])
    op.create_index(
        "ix_document_proofs_end",
        "document_proofs",
        ["proven_until"],
        postgresql_where=sa.text("NOT superseded"),
    )


def downgrade() -> None:
    """Drop the table and the columns."""
    op.drop_table("document_proofs")
    op.drop_index("ix_sign_requests_upgrade_queued", "sign_requests")
    for column in ("upgrade_error", "upgrade", "reached_level", "when_no_timestamp"):
        op.drop_column("sign_requests", column)
