"""What is kept for callers, and how many bytes it takes, so that it can be counted and bounded."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0019_kept_documents"
down_revision = "0018_trusted_lists"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the size of a document that waits for its holder."""
    moment = UtcDateTime()
    kinds = sa.Enum(
        "upload", "extension", name="keptas", native_enum=False, create_constraint=True, length=64
    )
    op.create_table(
        "kept_documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kept_as", kinds, nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("file_name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("spent_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("kept_documents_pkey")),
    )
    for column in ("actor", "expires_at"):
        op.create_index(None, "kept_documents", [column])
    op.add_column("sign_requests", sa.Column("staged_size", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Drop both: uploads are sent again, and what they were is swept away by its age."""
    op.drop_column("sign_requests", "staged_size")
    op.drop_table("kept_documents")
