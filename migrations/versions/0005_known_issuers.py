"""Certificates issued elsewhere: their issuers, the imports they came by, what the issuers say."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0005_known_issuers"
down_revision = "0004_signing"
branch_labels = None
depends_on = None

_STRANGERS = "SELECT id FROM certificates WHERE known_issuer_id IS NOT NULL"
_OF_STRANGERS = (
    "DELETE FROM certificate_status_changes WHERE certificate_id IN ({0})",
    "DELETE FROM signatures WHERE certificate_id IN ({0})",
    "DELETE FROM sign_requests WHERE certificate_id IN ({0})",
    "UPDATE certificates SET predecessor_id = NULL WHERE predecessor_id IN ({0})",
    "DELETE FROM certificates WHERE known_issuer_id IS NOT NULL",
)


def upgrade() -> None:
    """Make the tables, and let a certificate hang on either kind of issuer."""
    _issuers()
    _certificates()
    _imports()
    _differences()


def downgrade() -> None:
    """Drop the tables, and with them every certificate that was issued elsewhere."""
    op.drop_table("status_differences")
    op.drop_table("import_rows")
    op.drop_table("imports")
    for statement in _OF_STRANGERS:
        op.execute(statement.format(_STRANGERS))
    op.drop_column("certificate_status_changes", "recorded_at")
    op.drop_constraint(op.f("certificates_der_when_signed_check"), "certificates")
    op.create_check_constraint(
        op.f("certificates_der_when_signed_check"),
        "certificates",
        "status IN ('issuing', 'abandoned') OR der IS NOT NULL",
    )
    for name in ("one_issuer", "key_of_ours"):
        op.drop_constraint(op.f(f"certificates_{name}_check"), "certificates")
    op.drop_column("certificates", "known_issuer_id")
    op.alter_column("certificates", "authority_id", nullable=False)
    op.alter_column("certificates", "spki_sha256", nullable=False)
    op.drop_table("known_issuers")


def _one_of(name: str, kind: str, *values: str) -> sa.Column[str]:
    text = sa.Enum(*values, name=kind, native_enum=False, create_constraint=True, length=64)
    return sa.Column(name, text, nullable=False)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def _issuers() -> None:
    op.create_table(
        "known_issuers",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _text("slug"),
        _text("name"),
        sa.Column("search_names", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=True),
        sa.Column("crl_urls", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("ocsp_urls", sa.ARRAY(sa.String()), nullable=False),
        _time("created_at"),
        _time("checked_at", null=True),
        _text("check_problem", null=True),
        sa.Column("check_cursor", sa.Uuid(), nullable=True),
        sa.UniqueConstraint("slug"),
    )


def _certificates() -> None:
    op.add_column(
        "certificates",
        sa.Column(
            "known_issuer_id",
            sa.Uuid(),
            sa.ForeignKey("known_issuers.id", name="certificates_known_issuer_id_fkey"),
            nullable=True,
        ),
    )
    op.create_index(op.f("certificates_known_issuer_id_idx"), "certificates", ["known_issuer_id"])
    op.create_unique_constraint(
        op.f("certificates_serial_number_known_issuer_id_key"),
        "certificates",
        ["serial_number", "known_issuer_id"],
    )
    op.alter_column("certificates", "authority_id", nullable=True)
    op.alter_column("certificates", "spki_sha256", nullable=True)
    op.drop_constraint(op.f("certificates_der_when_signed_check"), "certificates")
    for name, condition in (
        (
            "der_when_signed",
            "authority_id IS NULL OR status IN ('issuing', 'abandoned') OR der IS NOT NULL",
        ),
        ("one_issuer", "(authority_id IS NULL) <> (known_issuer_id IS NULL)"),
        ("key_of_ours", "authority_id IS NULL OR spki_sha256 IS NOT NULL"),
    ):
        op.create_check_constraint(op.f(f"certificates_{name}_check"), "certificates", condition)
    op.add_column("certificate_status_changes", _time("recorded_at", null=True))


def _imports() -> None:
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _one_of("state", "importstate", "waiting", "done"),
        _text("file_name"),
        _text("file_format"),
        _text("sha256"),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("under", sa.Uuid(), sa.ForeignKey("organizations.id"), nullable=True),
        sa.Column("row_count", sa.Integer(), nullable=False),
        _text("created_by"),
        _time("created_at"),
        _time("finished_at", null=True),
    )
    op.create_index(op.f("imports_state_idx"), "imports", ["state"])
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.Uuid(), sa.ForeignKey("imports.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        _one_of("state", "rowstate", "waiting", "created", "updated", "unchanged", "failed"),
        _text("label"),
        sa.Column("cells", sa.JSON(), nullable=True),
        sa.Column("der", sa.LargeBinary(), nullable=True),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=True),
        sa.Column("problems", sa.JSON(), nullable=True),
        sa.CheckConstraint("(state = 'failed') = (problems IS NOT NULL)", "problems_when_failed"),
    )
    op.create_index(
        "import_rows_waiting_idx",
        "import_rows",
        ["import_id", "number"],
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _differences() -> None:
    op.create_table(
        "status_differences",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        _one_of("state", "differencestate", "open", "accepted", "settled"),
        _text("ours"),
        _one_of("theirs", "issuerstatus", "good", "revoked", "suspended"),
        _time("their_moment", null=True),
        _text("their_reason", null=True),
        _text("source"),
        _time("found_at"),
        _time("seen_at"),
        _time("closed_at", null=True),
        _text("closed_by", null=True),
    )
    op.create_index(
        op.f("status_differences_certificate_id_idx"), "status_differences", ["certificate_id"]
    )
    op.create_index(
        "status_differences_open_once",
        "status_differences",
        ["certificate_id"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
