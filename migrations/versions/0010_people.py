"""People over time: posts, delegations, former names of units, and the custody of devices."""

import sqlalchemy as sa
from alembic import op

from db.base import UtcDateTime

revision = "0010_people"
down_revision = "0009_report_snapshots"
branch_labels = None
depends_on = None

DEVICE_STATES = (
    "in_stock",
    "handed_over",
    "pin_locked",
    "lost",
    "broken",
    "returned",
    "destroyed",
)
TABLES = ("custody_records", "organization_names", "delegations", "posts")


def upgrade() -> None:
    """Make the tables; a person's present post becomes the first one of the history."""
    _posts()
    _delegations()
    _names()
    _custody()


def downgrade() -> None:
    """Drop the tables with everything in them."""
    for table in TABLES:
        op.drop_table(table)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, UtcDateTime(), nullable=null)


def _to(table: str, name: str, *, null: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), sa.ForeignKey(f"{table}.id"), nullable=null)


def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), primary_key=True)


def _one_of(name: str, kind: str, *values: str) -> sa.Column[str]:
    text = sa.Enum(*values, name=kind, native_enum=False, create_constraint=True, length=64)
    return sa.Column(name, text, nullable=False)


def _index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"{table}_{'_'.join(columns)}_idx"), table, list(columns))


def _posts() -> None:
    op.create_table(
        "posts",
        _id(),
        _to("subscribers", "subscriber_id"),
        _to("organizations", "organization_id"),
        _text("title"),
        _time("began_at"),
        _time("ended_at", null=True),
        _text("document_reference", null=True),
        _time("recorded_at"),
        _text("recorded_by"),
        sa.CheckConstraint("ended_at IS NULL OR ended_at > began_at", "ends_after_it_began"),
    )
    _index("posts", "subscriber_id")
    _index("posts", "organization_id")
    op.execute(
        "INSERT INTO posts (id, subscriber_id, organization_id, title, began_at, recorded_at,"
        " recorded_by) SELECT id, id, organization_id, post, created_at, created_at, 'system'"
        " FROM subscribers WHERE post IS NOT NULL"
    )


def _delegations() -> None:
    op.create_table(
        "delegations",
        _id(),
        _one_of("form", "delegationform", "tuq", "tl", "kt", "tm"),
        _to("organizations", "organization_id"),
        _to("subscribers", "giver_id", null=True),
        _to("subscribers", "taker_id"),
        _text("scope"),
        _time("began_at"),
        _time("ended_at", null=True),
        _time("withdrawn_at", null=True),
        _text("document_reference", null=True),
        _time("recorded_at"),
        _text("recorded_by"),
        sa.CheckConstraint("ended_at IS NULL OR ended_at > began_at", "ends_after_it_began"),
        sa.CheckConstraint(
            "form <> 'tuq' OR (ended_at IS NOT NULL AND document_reference IS NOT NULL)",
            "in_writing_and_limited",
        ),
        sa.CheckConstraint("form = 'tm' OR giver_id IS NOT NULL", "somebodys"),
        sa.CheckConstraint("giver_id IS NULL OR giver_id <> taker_id", "of_two"),
    )
    _index("delegations", "organization_id")
    _index("delegations", "giver_id")
    _index("delegations", "taker_id", "organization_id")


def _names() -> None:
    op.create_table(
        "organization_names",
        _id(),
        _to("organizations", "organization_id"),
        _text("name"),
        _text("search_name"),
        _time("used_until"),
    )
    _index("organization_names", "organization_id")
    _index("organization_names", "search_name")


def _custody() -> None:
    op.create_table(
        "custody_records",
        _id(),
        _to("devices", "device_id"),
        _time("at"),
        _text("came_from"),
        _one_of("state", "devicestate", *DEVICE_STATES),
        _to("subscribers", "subscriber_id", null=True),
        _text("minutes", null=True),
        _text("given_by", null=True),
        _text("taken_by", null=True),
        _text("note", null=True),
        _text("actor"),
    )
    _index("custody_records", "device_id", "id")
    _index("custody_records", "subscriber_id")
