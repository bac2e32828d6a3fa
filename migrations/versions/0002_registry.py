"""The registry: organisations, subscribers, devices, authorities, certificates and their status.

Kinds, states and reasons are short text with a CHECK, so that a new value is a plain migration.
"""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0002_registry"
down_revision = "0001_audit_and_jobs"
branch_labels = None
depends_on = None

CERTIFICATE_STATUSES = ("issuing", "active", "suspended", "revoked", "abandoned")
CERTIFICATE_KINDS = ("personal", "organizational", "sim")
REVOCATION_REASONS = (
    "unspecified",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "certificate_hold",
    "privilege_withdrawn",
)
REQUEST_STATES = (
    "draft",
    "agency_confirmed",
    "received",
    "approved",
    "returned",
    "rejected",
    "key_generated",
    "issued",
    "delivered",
    "active",
)
DEVICE_STATES = (
    "in_stock",
    "handed_over",
    "pin_locked",
    "lost",
    "broken",
    "returned",
    "destroyed",
)

TABLES = (
    "revocation_cache",
    "trust_anchors",
    "ocsp_answers",
    "certificate_revocation_lists",
    "certificate_status_changes",
    "certificates",
    "certificate_requests",
    "authorities",
    "public_keys",
    "devices",
    "subscribers",
    "organizations",
)


def upgrade() -> None:
    """Make the tables, those that others point at first."""
    _people_and_devices()
    _authorities()
    _requests()
    _certificates()
    _published()
    _trust()


def downgrade() -> None:
    """Drop the tables with everything in them."""
    for table in TABLES:
        op.drop_table(table)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def _bytes(name: str, *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=null)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), primary_key=True)


def _to(table: str, name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(f"{table}.id"), nullable=null)


def _one_of(name: str, kind: str, values: tuple[str, ...], *, null: bool = False) -> sa.Column[str]:
    text = sa.Enum(*values, name=kind, native_enum=False, create_constraint=True, length=64)
    return sa.Column(name, text, nullable=null)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"{table}_{'_'.join(columns)}_idx"), table, list(columns))


def _people_and_devices() -> None:
    op.create_table(
        "organizations",
        _id(),
        _to("organizations", "parent_id", null=True),
        _text("code"),
        _text("name"),
        _text("search_name"),
        _text("level"),
        _text("identifier", null=True),
        _time("active_from"),
        _time("active_to", null=True),
        sa.UniqueConstraint("code"),
    )
    _index("organizations", "parent_id")
    _index("organizations", "search_name")
    op.create_table(
        "subscribers",
        _id(),
        _one_of("kind", "subscriberkind", ("person", "organization")),
        _to("organizations", "organization_id"),
        _text("full_name"),
        _text("search_name"),
        _text("given_name", null=True),
        _text("surname", null=True),
        _text("national_id", null=True),
        _text("email", null=True),
        _text("post", null=True),
        _time("created_at"),
        sa.UniqueConstraint("national_id"),
    )
    _index("subscribers", "organization_id")
    _index("subscribers", "search_name")
    op.create_table(
        "devices",
        _id(),
        _one_of("kind", "devicekind", ("usb_token", "sim", "hsm")),
        _text("serial_number"),
        _one_of("state", "devicestate", DEVICE_STATES),
        _to("subscribers", "subscriber_id", null=True),
        _text("msisdn", null=True),
        _text("iccid", null=True),
        _text("operator", null=True),
        _time("created_at"),
        sa.UniqueConstraint("serial_number"),
        sa.UniqueConstraint("iccid"),
        sa.CheckConstraint(
            "kind <> 'sim' OR (msisdn IS NOT NULL AND iccid IS NOT NULL)", "sim_numbers"
        ),
        sa.CheckConstraint(
            "(state IN ('handed_over', 'pin_locked')) <= (subscriber_id IS NOT NULL)", "holder"
        ),
    )
    _index("devices", "subscriber_id")
    op.create_table(
        "public_keys",
        sa.Column("spki_sha256", sa.String(), primary_key=True),
        _to("subscribers", "subscriber_id", null=True),
        _time("first_seen_at"),
        _time("blocked_at", null=True),
        _text("blocked_reason", null=True),
        sa.CheckConstraint("(blocked_at IS NULL) = (blocked_reason IS NULL)", "blocked"),
    )


def _authorities() -> None:
    op.create_table(
        "authorities",
        _id(),
        _text("slug"),
        _one_of("role", "authorityrole", ("root", "issuing", "ocsp", "tsa")),
        _to("authorities", "issuer_id", null=True),
        _text("common_name"),
        _text("key_uri"),
        _text("public_url"),
        _bytes("certificate"),
        _time("not_before"),
        _time("not_after"),
        sa.Column("crl_number", sa.BigInteger(), nullable=False),
        _time("created_at"),
        sa.UniqueConstraint("slug"),
    )


def _requests() -> None:
    op.create_table(
        "certificate_requests",
        _id(),
        _one_of("kind", "requestkind", ("new", "renew", "change", "revoke", "unlock")),
        _one_of("state", "requeststate", REQUEST_STATES),
        _to("subscribers", "subscriber_id"),
        _to("organizations", "organization_id"),
        _to("devices", "device_id", null=True),
        sa.Column("certificate_id", sa.Uuid(), nullable=True),
        _one_of("certificate_kind", "certificatekind", CERTIFICATE_KINDS),
        _text("profile"),
        _bytes("csr", null=True),
        _text("key_algorithm", null=True),
        _text("reason", null=True),
        _text("document_reference", null=True),
        _text("requested_by"),
        _time("requested_at"),
        _text("decided_by", null=True),
        _time("decided_at", null=True),
        _text("decision_note", null=True),
        sa.CheckConstraint("decided_by IS NULL OR decided_by <> requested_by", "four_eyes"),
        sa.CheckConstraint(
            "state IN ('draft', 'agency_confirmed', 'received') OR decided_by IS NOT NULL",
            "decided",
        ),
        sa.CheckConstraint("csr IS NULL OR key_algorithm IS NULL", "one_key_source"),
    )
    _index("certificate_requests", "state")
    _index("certificate_requests", "subscriber_id")
    _index("certificate_requests", "organization_id")


def _certificates() -> None:
    op.create_table(
        "certificates",
        _id(),
        _to("authorities", "authority_id"),
        _text("serial_number"),
        _one_of("kind", "certificatekind", CERTIFICATE_KINDS),
        _one_of("status", "certificatestatus", CERTIFICATE_STATUSES),
        _text("profile"),
        _to("subscribers", "subscriber_id"),
        _to("organizations", "organization_id"),
        _to("devices", "device_id", null=True),
        _to("certificates", "predecessor_id", null=True),
        _to("certificate_requests", "request_id", null=True),
        _text("subject"),
        _text("common_name"),
        _text("search_name"),
        _text("spki_sha256"),
        _text("sha256_fingerprint", null=True),
        _text("key_uri", null=True),
        _time("not_before"),
        _time("not_after"),
        _bytes("tbs", null=True),
        _bytes("der", null=True),
        _time("created_at"),
        _time("issued_at", null=True),
        _time("suspended_at", null=True),
        _time("revoked_at", null=True),
        _one_of("revocation_reason", "revocationreason", REVOCATION_REASONS, null=True),
        _time("invalidity_at", null=True),
        _bytes("crl_entry", null=True),
        sa.UniqueConstraint("serial_number", "authority_id"),
        sa.UniqueConstraint("sha256_fingerprint"),
        sa.CheckConstraint(
            "status IN ('issuing', 'abandoned') OR der IS NOT NULL", "der_when_signed"
        ),
        sa.CheckConstraint("status <> 'issuing' OR tbs IS NOT NULL", "tbs_of_intent"),
        sa.CheckConstraint("(status = 'revoked') = (revoked_at IS NOT NULL)", "revoked_at"),
        sa.CheckConstraint("(status = 'suspended') = (suspended_at IS NOT NULL)", "suspended_at"),
    )
    for column in (
        "status",
        "subscriber_id",
        "organization_id",
        "device_id",
        "search_name",
        "spki_sha256",
        "not_after",
    ):
        _index("certificates", column)
    op.create_index(
        "certificates_request_id_once",
        "certificates",
        ["request_id"],
        unique=True,
        postgresql_where=sa.text("status <> 'abandoned'"),
    )
    op.create_index(
        "certificates_search_words_idx",
        "certificates",
        [sa.text("to_tsvector('simple', search_name)")],
        postgresql_using="gin",
    )
    op.create_table(
        "certificate_status_changes",
        _id(),
        _to("certificates", "certificate_id"),
        _time("at"),
        _one_of("status", "certificatestatus", CERTIFICATE_STATUSES),
        _one_of("reason", "revocationreason", REVOCATION_REASONS, null=True),
        _text("actor"),
    )
    op.create_index(
        "certificate_status_changes_as_of_idx",
        "certificate_status_changes",
        ["certificate_id", "at", "id"],
        postgresql_include=["status"],
    )
    op.create_index(
        "certificate_status_changes_ended_idx",
        "certificate_status_changes",
        ["at", "certificate_id"],
        postgresql_where=sa.text("status IN ('suspended', 'revoked')"),
    )


def _published() -> None:
    op.create_table(
        "certificate_revocation_lists",
        _id(),
        _to("authorities", "authority_id"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        _time("this_update"),
        _time("next_update"),
        _bytes("der"),
        sa.UniqueConstraint("authority_id", "number"),
    )
    _index("certificate_revocation_lists", "next_update")
    op.create_table(
        "ocsp_answers",
        sa.Column("certificate_id", sa.Uuid(), sa.ForeignKey("certificates.id"), primary_key=True),
        _to("authorities", "authority_id"),
        _text("serial_number"),
        _time("this_update"),
        _time("next_update"),
        _bytes("der"),
    )
    _index("ocsp_answers", "serial_number")
    _index("ocsp_answers", "next_update")


def _trust() -> None:
    op.create_table(
        "trust_anchors",
        _id(),
        _text("sha256_fingerprint"),
        _text("subject"),
        _bytes("certificate"),
        _time("added_at"),
        _text("added_by"),
        sa.UniqueConstraint("sha256_fingerprint"),
    )
    op.create_table(
        "revocation_cache",
        sa.Column("key", sa.String(), primary_key=True),
        _time("fetched_at"),
        _time("next_update", null=True),
        _bytes("der"),
    )
