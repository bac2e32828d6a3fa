"""The audit log with its chains and triggers, and the tables of the job queue.

The job queue lives in a schema of its own, made from the SQL its library published with the version
named in the file; its functions are told to look there, so callers need not.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0001_audit_and_jobs"
down_revision = None
branch_labels = None
depends_on = None

CHAINS = 16
JOBS_SQL = Path(__file__).parents[1] / "procrastinate_3_10.sql"

AUDIT_FUNCTIONS = """
CREATE FUNCTION audit_append(entries text) RETURNS void LANGUAGE plpgsql AS $$
-- Adds entries to a chain that no other transaction holds, or waits for one when all are held.
DECLARE
    head audit_chains;
    item record;
    link bytea;
    added audit_log[];
    count int := 0;
BEGIN
    SELECT * INTO head FROM audit_chains ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO STRICT head FROM audit_chains ORDER BY random() LIMIT 1;
        SELECT * INTO STRICT head FROM audit_chains c WHERE c.chain = head.chain FOR UPDATE;
    END IF;
    FOR item IN
        SELECT *, decode(content_digest, 'hex') AS content
        FROM json_to_recordset(entries::json) AS e(
            id uuid, at timestamptz, actor text, action text, object_type text, object_id text,
            before text, after text, content_digest text)
    LOOP
        count := count + 1;
        link := sha256(head.digest || int2send(head.chain) || int8send(head.sequence + count)
            || item.content);
        added[count] := ROW(item.id, item.at, item.actor, item.action, item.object_type,
            item.object_id, item.before::json, item.after::json, head.chain, head.sequence + count,
            item.content, head.digest, link)::audit_log;
        head.digest := link;
    END LOOP;
    INSERT INTO audit_log SELECT * FROM unnest(added);
END $$;

CREATE FUNCTION audit_log_link() RETURNS trigger LANGUAGE plpgsql AS $$
-- Moves the heads on, for entries that continue their chain; refuses all others, however they came.
DECLARE
    linked bigint;
BEGIN
    WITH link AS (
        SELECT a.chain, a.sequence, a.digest,
            a.previous = lag(a.digest, 1, c.digest) OVER chained
            AND a.sequence = c.sequence + row_number() OVER chained
            AND a.digest = sha256(a.previous || int2send(a.chain) || int8send(a.sequence)
                || a.content_digest) AS good
        FROM added a JOIN audit_chains c USING (chain)
        WINDOW chained AS (PARTITION BY a.chain ORDER BY a.sequence)
    ), tail AS (
        SELECT DISTINCT ON (chain) chain, sequence, digest,
            count(*) FILTER (WHERE good) OVER (PARTITION BY chain) AS entries
        FROM link ORDER BY chain, sequence DESC
    ), moved AS (
        UPDATE audit_chains c SET sequence = tail.sequence, digest = tail.digest
        FROM tail WHERE c.chain = tail.chain AND c.sequence + tail.entries = tail.sequence
        RETURNING tail.entries
    )
    SELECT sum(entries) INTO linked FROM moved;
    IF coalesce(linked, 0) <> (SELECT count(*) FROM added) THEN
        RAISE EXCEPTION 'audit entry does not continue its chain' USING ERRCODE = '23001';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % of % refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '23001';
END $$;

CREATE FUNCTION audit_chains_advance() RETURNS trigger LANGUAGE plpgsql AS $$
-- Heads move only from within audit_log_link, and only forwards.
BEGIN
    IF pg_trigger_depth() < 2 OR NEW.chain <> OLD.chain OR NEW.sequence <= OLD.sequence THEN
        RAISE EXCEPTION 'heads of the audit log move only with it' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_log_link AFTER INSERT ON audit_log
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_log_link();
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_chains_fixed BEFORE INSERT OR DELETE OR TRUNCATE ON audit_chains
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_chains_advance BEFORE UPDATE ON audit_chains
    FOR EACH ROW EXECUTE FUNCTION audit_chains_advance();
"""

# Transactions that notify listeners commit one after the other, each with a disk flush of its own;
# so enqueueing does not notify, and workers ask for jobs every second. A job that is tried again
# gives up its claim to be the only one waiting: else it could not go back into the queue while its
# successor is there, and a successor would wait for its next try.
JOBS_EXTRAS = """
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'procrastinate'::regnamespace
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = procrastinate, pg_temp', routine);
    END LOOP;
END $$;

DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1
    ON procrastinate.procrastinate_jobs;

CREATE FUNCTION procrastinate.release_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.queueing_lock := NULL;
    RETURN NEW;
END $$;

CREATE TRIGGER release_claim BEFORE UPDATE OF status ON procrastinate.procrastinate_jobs
    FOR EACH ROW WHEN (OLD.status <> 'todo' AND NEW.status = 'todo')
    EXECUTE FUNCTION procrastinate.release_claim();
"""


def upgrade() -> None:
    """Make the audit log with empty chains, then the job queue."""
    _create_audit_tables()
    _execute_script(AUDIT_FUNCTIONS)
    op.execute("CREATE SCHEMA procrastinate")
    op.execute("SET LOCAL search_path = procrastinate")
    _execute_script(JOBS_SQL.read_text(encoding="utf-8"))
    op.execute("SET LOCAL search_path TO DEFAULT")
    _execute_script(JOBS_EXTRAS)


def downgrade() -> None:
    """Drop both, with everything in them."""
    op.execute("DROP SCHEMA procrastinate CASCADE")
    op.drop_table("audit_log")
    op.drop_table("audit_chains")
    for function in ("audit_log_link()", "audit_refuse()", "audit_chains_advance()"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP FUNCTION audit_append(text)")


def _create_audit_tables() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object_type", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("chain", sa.SmallInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_log_pkey"),
        sa.UniqueConstraint("chain", "sequence", name="audit_log_chain_sequence_key"),
    )
    op.create_index("audit_log_at_idx", "audit_log", ["at"], postgresql_using="brin")
    op.create_index(
        "audit_log_object_type_object_id_idx", "audit_log", ["object_type", "object_id"]
    )
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="audit_chains_pkey"),
        # Room on the page for the next version of each row: no index entry is written for it.
        postgresql_with={"fillfactor": "10"},
    )
    chains = sa.table("audit_chains", *map(sa.column, ("chain", "sequence", "digest")))
    op.bulk_insert(
        chains, [{"chain": n, "sequence": 0, "digest": bytes(32)} for n in range(1, CHAINS + 1)]
    )


def _execute_script(script: str) -> None:
    """Run many statements at once, as they stand: percent signs and colons mean themselves."""
    op.get_bind().exec_driver_sql(script, execution_options={"no_parameters": True})
