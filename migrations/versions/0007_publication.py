"""Publication: partitioned and delta CRLs, incidents, alarms, and the events of a changed status.

The trigger notes every change of a status in the transaction that makes it, with that
transaction's number; readers compare it with their last snapshot.
"""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0007_publication"
down_revision = "0006_signature_proofs"
branch_labels = None
depends_on = None

REASONS = (
    "unspecified",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "certificate_hold",
    "privilege_withdrawn",
)
FUNCTIONS = """
CREATE FUNCTION note_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_events (transaction, at, authority_id, certificate_id, serial_number)
    VALUES (pg_current_xact_id()::text::bigint, clock_timestamp(), NEW.authority_id, NEW.id,
        NEW.serial_number);
    RETURN NULL;
END $$;

CREATE FUNCTION note_authority_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO status_events (transaction, at, authority_id, certificate_id, serial_number)
    VALUES (pg_current_xact_id()::text::bigint, clock_timestamp(),
        coalesce(NEW.issuer_id, NEW.id), NEW.id, '');
    RETURN NULL;
END $$;

CREATE TRIGGER note_status AFTER UPDATE OF status ON certificates FOR EACH ROW
    WHEN (NEW.authority_id IS NOT NULL AND OLD.status IS DISTINCT FROM NEW.status
        AND OLD.status <> 'issuing')
    EXECUTE FUNCTION note_status();

CREATE TRIGGER note_authority_status AFTER UPDATE OF revoked_at ON authorities FOR EACH ROW
    WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
    EXECUTE FUNCTION note_authority_status();
"""


def upgrade() -> None:
    """Add the columns, the tables, then the triggers."""
    op.add_column(
        "authorities",
        sa.Column("crl_shards", sa.SmallInteger(), nullable=False, server_default="0"),
    )
    op.alter_column("authorities", "crl_shards", server_default=None)
    op.add_column("authorities", _time("revoked_at", null=True))
    op.add_column("authorities", _one_of("revocation_reason", "revocationreason", REASONS))
    op.add_column("authorities", sa.Column("crl_entry", sa.LargeBinary(), nullable=True))
    op.add_column("certificates", sa.Column("crl_shard", sa.SmallInteger(), nullable=True))
    op.create_index(
        "certificates_crl_entries_idx",
        "certificates",
        ["authority_id", "crl_shard"],
        postgresql_include=["crl_entry"],
        postgresql_where=sa.text("crl_entry IS NOT NULL"),
    )
    for column in (
        sa.Column("shard", sa.SmallInteger(), nullable=True),
        sa.Column("base_number", sa.BigInteger(), nullable=True),
        sa.Column("snapshot", sa.String(), nullable=True),
    ):
        op.add_column("certificate_revocation_lists", column)
    _index("certificate_revocation_lists", "authority_id", "shard", "number")
    # Serial numbers are random: looking for repetitions in 50 MB of them is time lost.
    op.execute("ALTER TABLE certificate_revocation_lists ALTER COLUMN der SET STORAGE EXTERNAL")
    _events()
    _incidents()
    _alarms()
    op.execute(FUNCTIONS)


def downgrade() -> None:
    """Take everything away again; lists other than complete ones go with it."""
    op.execute("DROP TRIGGER note_status ON certificates")
    op.execute("DROP TRIGGER note_authority_status ON authorities")
    op.execute("DROP FUNCTION note_status()")
    op.execute("DROP FUNCTION note_authority_status()")
    for table in ("publication_alarms", "incident_items", "incidents", "status_events"):
        op.drop_table(table)
    op.execute(
        "DELETE FROM certificate_revocation_lists"
        " WHERE shard IS NOT NULL OR base_number IS NOT NULL"
    )
    op.execute("ALTER TABLE certificate_revocation_lists ALTER COLUMN der SET STORAGE EXTENDED")
    op.drop_index("certificate_revocation_lists_authority_id_shard_number_idx")
    for column in ("snapshot", "base_number", "shard"):
        op.drop_column("certificate_revocation_lists", column)
    op.drop_index("certificates_crl_entries_idx")
    op.drop_column("certificates", "crl_shard")
    for column in ("crl_entry", "revocation_reason", "revoked_at", "crl_shards"):
        op.drop_column("authorities", column)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def _id(name: str = "id", *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=null, primary_key=name == "id")


def _one_of(name: str, kind: str, values: tuple[str, ...], *, null: bool = True) -> sa.Column[str]:
    text = sa.Enum(*values, name=kind, native_enum=False, create_constraint=True, length=64)
    return sa.Column(name, text, nullable=null)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"{table}_{'_'.join(columns)}_idx"), table, list(columns))


def _events() -> None:
    op.create_table(
        "status_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        _time("at"),
        _id("authority_id"),
        _id("certificate_id"),
        _text("serial_number"),
    )
    _index("status_events", "transaction")
    _index("status_events", "at")


def _incidents() -> None:
    op.create_table(
        "incidents",
        _id(),
        _one_of(
            "target",
            "incidenttarget",
            ("list", "subscriber", "device", "organization"),
            null=False,
        ),
        _id("target_id", null=True),
        _one_of("state", "incidentstate", ("planned", "running", "done", "cancelled"), null=False),
        _one_of("reason", "revocationreason", REASONS, null=False),
        _time("invalidity_at", null=True),
        _text("note"),
        _text("document_reference", null=True),
        _time("effective_at"),
        _time("created_at"),
        _text("created_by"),
        _text("cancelled_by", null=True),
        _time("finished_at", null=True),
        sa.CheckConstraint("(target = 'list') = (target_id IS NULL)", "target"),
        sa.CheckConstraint("(state = 'cancelled') = (cancelled_by IS NOT NULL)", "cancelled"),
        sa.CheckConstraint("(state = 'done') = (finished_at IS NOT NULL)", "finished"),
    )
    op.create_index(
        "incidents_to_do_idx",
        "incidents",
        ["effective_at"],
        postgresql_where=sa.text("state IN ('planned', 'running')"),
    )
    op.create_table(
        "incident_items",
        sa.Column("incident_id", sa.Uuid(), sa.ForeignKey("incidents.id"), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), nullable=False),
        _one_of("state", "itemstate", ("waiting", "revoked", "skipped"), null=False),
        _text("outcome", null=True),
        _time("at", null=True),
        sa.PrimaryKeyConstraint("incident_id", "certificate_id"),
    )
    _index("incident_items", "certificate_id")
    op.create_index(
        "incident_items_waiting_idx",
        "incident_items",
        ["incident_id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _alarms() -> None:
    op.create_table(
        "publication_alarms",
        _id(),
        _text("kind"),
        _text("subject"),
        _time("runs_out_at"),
        _time("raised_at"),
        _time("cleared_at", null=True),
        sa.UniqueConstraint("kind", "subject", "raised_at"),
    )
    op.create_index(
        "publication_alarms_open_once",
        "publication_alarms",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
