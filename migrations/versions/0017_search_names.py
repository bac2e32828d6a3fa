"""The names that certificates have, once each, to look for words in; ends of posts that revoke.

Subjects are written with the names of their attributes instead of numbers.

There are far fewer names than certificates, and no order by time in an index of words: so words are
looked for among the names, and the newest certificates of each name are beside each other in an
index of their own. A name may stand here twice, when two transactions brought it at once: a unique
index would let one wait for the other.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017_search_names"
down_revision = "0016_search_indexes"
branch_labels = None
depends_on = None

KEYWORDS = {
    "2.5.4.5": "serialNumber",
    "2.5.4.12": "title",
    "2.5.4.4": "surname",
    "2.5.4.42": "givenName",
    "2.5.4.97": "organizationIdentifier",
    "1.2.840.113549.1.9.1": "emailAddress",
}
TARGETS = ("list", "subscriber", "device", "organization")
NOTING = """
CREATE FUNCTION note_certificate_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO certificate_names (name)
    SELECT DISTINCT search_name FROM added
    WHERE NOT EXISTS (SELECT FROM certificate_names WHERE name = search_name);
    RETURN NULL;
END $$;

CREATE TRIGGER note_certificate_names AFTER INSERT ON certificates
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT
    EXECUTE FUNCTION note_certificate_names();

CREATE FUNCTION note_certificate_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO certificate_names (name) SELECT NEW.search_name
    WHERE NOT EXISTS (SELECT FROM certificate_names WHERE name = NEW.search_name);
    RETURN NULL;
END $$;

CREATE TRIGGER note_certificate_name AFTER UPDATE OF search_name ON certificates FOR EACH ROW
    WHEN (OLD.search_name IS DISTINCT FROM NEW.search_name)
    EXECUTE FUNCTION note_certificate_name();
"""


def upgrade() -> None:
    """Take down every name there is, then have new ones noted."""
    op.create_table("certificate_names", sa.Column("name", sa.String(), nullable=False))
    op.execute("INSERT INTO certificate_names (name) SELECT DISTINCT search_name FROM certificates")
    op.create_index(op.f("certificate_names_name_idx"), "certificate_names", ["name"])
    _index_of_words("certificate_names", "name")
    op.execute(NOTING)
    op.drop_index("certificates_search_words_idx")
    op.drop_index(op.f("certificates_search_name_idx"), "certificates")
    op.create_index(
        "certificates_of_a_name_idx",
        "certificates",
        ["search_name", "id"],
        postgresql_include=["status", "kind", "organization_id", "not_after"],
    )
    _changes("paused", "status = 'suspended'", instead_of="ended")
    _incident_targets(*TARGETS, "post")
    for table in ("certificates", "trust_anchors"):
        _name_attributes(table)


def downgrade() -> None:
    """Go back to indexes on the certificates alone; what ends of posts revoke goes."""
    op.execute(
        "DELETE FROM incident_items USING incidents"
        " WHERE incidents.id = incident_id AND target = 'post'"
    )
    op.execute("DELETE FROM incidents WHERE target = 'post'")
    _incident_targets(*TARGETS)
    _changes("ended", "status IN ('suspended', 'revoked')", instead_of="paused")
    op.drop_index("certificates_of_a_name_idx")
    op.create_index(op.f("certificates_search_name_idx"), "certificates", ["search_name"])
    _index_of_words("certificates", "search_name")
    for name in ("note_certificate_names", "note_certificate_name"):
        op.execute(f"DROP TRIGGER {name} ON certificates")
        op.execute(f"DROP FUNCTION {name}()")
    op.drop_table("certificate_names")


def _name_attributes(table: str) -> None:
    """Numbers stay where no name is known; a comma that separates has no backslash before it."""
    subject = "subject"
    for number, keyword in KEYWORDS.items():
        pattern = rf"(^|(?<!\\)[,+]){number.replace('.', '[.]')}="
        subject = rf"regexp_replace({subject}, '{pattern}', '\1{keyword}=', 'g')"
    op.execute(f"UPDATE {table} SET subject = {subject} WHERE subject ~ '(^|[,+])[12][.][25][.]'")  # noqa: S608 -- our own words


def _index_of_words(table: str, column: str) -> None:
    name = "certificate_names_words_idx" if column == "name" else "certificates_search_words_idx"
    words = sa.text(f"to_tsvector('simple', {column})")
    op.create_index(name, table, [words], postgresql_using="gin")


def _changes(name: str, which: str, *, instead_of: str) -> None:
    op.drop_index(f"certificate_status_changes_{instead_of}_idx")
    op.create_index(
        f"certificate_status_changes_{name}_idx",
        "certificate_status_changes",
        ["at", "certificate_id"],
        postgresql_where=sa.text(which),
    )


def _incident_targets(*targets: str) -> None:
    op.drop_constraint(op.f("incidents_incidenttarget_check"), "incidents")
    allowed = ", ".join(f"'{target}'" for target in targets)
    op.create_check_constraint(
        op.f("incidents_incidenttarget_check"), "incidents", f"target IN ({allowed})"
    )
