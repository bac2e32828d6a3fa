"""The one error of this room that has to come out of a statement as it was raised.

It stands apart because it needs the database's library, which a command without a database does not
load (`db.errors`).
"""

from sqlalchemy.exc import DontWrapMixin

from db.errors import DbError


class NaiveDatetime(DbError, DontWrapMixin):
    """A time without a zone was offered where only moments are stored."""

    code = "naive_datetime"
    remedy = "Give the time with its zone, for example datetime.now(UTC)."
