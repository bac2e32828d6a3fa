"""Indexes for searching within a subtree: by status and kind, and by when certificates end."""

from alembic import op

revision = "0016_search_indexes"
down_revision = "0015_notices"
branch_labels = None
depends_on = None

WIDER = (("status", "organization_id", "kind"), ("organization_id", "not_after"))


def upgrade() -> None:
    """Put further columns beside the first, so that there are as many indexes as before."""
    for columns in WIDER:
        op.drop_index(op.f(f"certificates_{columns[0]}_idx"), "certificates")
        op.create_index(op.f(f"certificates_{'_'.join(columns)}_idx"), "certificates", columns)


def downgrade() -> None:
    """Take the further columns away again."""
    for columns in WIDER:
        op.drop_index(op.f(f"certificates_{'_'.join(columns)}_idx"), "certificates")
        op.create_index(op.f(f"certificates_{columns[0]}_idx"), "certificates", [columns[0]])
