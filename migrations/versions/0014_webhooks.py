"""Webhooks: who wants to be told, and the outbox that triggers fill in the telling transaction.

The triggers are on the rows that make an event, so no code path can forget one, and what was rolled
back is not told. Where nobody listens they cost one look at an empty table for each statement.
"""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0014_webhooks"
down_revision = "0013_signature_prompts"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION tell_webhooks(told text, happened timestamptz, about json) RETURNS void
LANGUAGE sql AS $$
    WITH made AS (
        INSERT INTO webhook_deliveries (id, webhook_id, event, payload, created_at, attempts, state)
        SELECT gen_random_uuid(), w.id, told,
            json_build_object('type', told, 'timestamp', happened, 'data', about),
            clock_timestamp(), 0, 'waiting'
        FROM webhooks w WHERE w.disabled_at IS NULL AND told = ANY (w.events)
        RETURNING id
    )
    INSERT INTO procrastinate.procrastinate_jobs (queue_name, task_name, args)
    SELECT 'default', 'api.deliver_webhook', jsonb_build_object('delivery', id) FROM made
$$;

CREATE FUNCTION tell_of_signatures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM webhooks) THEN
        PERFORM tell_webhooks('sign.signed', a.signed_at, json_build_object(
            'sign_request_id', a.sign_request_id, 'certificate_id', a.certificate_id,
            'level', a.level, 'document_sha256', a.document_sha256)) FROM added a;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_of_certificates() RETURNS trigger LANGUAGE plpgsql AS $$
-- Only certificates of our own: what another issuer decided is theirs to tell.
BEGIN
    IF EXISTS (SELECT FROM webhooks) THEN
        PERFORM tell_webhooks('certificate.' || CASE a.status
                WHEN 'active' THEN CASE WHEN earlier.found THEN 'restored' ELSE 'issued' END
                ELSE a.status END,
            a.at, json_build_object('certificate_id', a.certificate_id,
                'serial_number', c.serial_number, 'status', a.status, 'reason', a.reason))
        FROM added a JOIN certificates c ON c.id = a.certificate_id
        CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM certificate_status_changes b
            WHERE b.certificate_id = a.certificate_id AND b.id <> a.id
                AND b.status IN ('active', 'suspended')) AS found) earlier
        WHERE c.authority_id IS NOT NULL AND a.status IN ('active', 'suspended', 'revoked');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER tell_of_signatures AFTER INSERT ON signatures
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell_of_signatures();
CREATE TRIGGER tell_of_certificates AFTER INSERT ON certificate_status_changes
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tell_of_certificates();
"""


def upgrade() -> None:
    """Make the tables, then the triggers."""
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", sa.ARRAY(sa.String()), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("disabled_at", UtcDateTime(), nullable=True),
    )
    state = sa.Enum(
        *("waiting", "delivered", "failed"),
        name="deliverystate",
        native_enum=False,
        create_constraint=True,
        length=64,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), sa.ForeignKey("webhooks.id"), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("last_answer", sa.String(), nullable=True),
        sa.UniqueConstraint("number"),
    )
    op.create_index(None, "webhook_deliveries", ["webhook_id", "number"])
    op.create_index(None, "webhook_deliveries", ["finished_at"])
    op.get_bind().exec_driver_sql(FUNCTIONS, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Drop the triggers, then the tables."""
    op.execute("DROP TRIGGER tell_of_certificates ON certificate_status_changes")
    op.execute("DROP TRIGGER tell_of_signatures ON signatures")
    for function in ("tell_of_certificates()", "tell_of_signatures()"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP FUNCTION tell_webhooks(text, timestamptz, json)")
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")
