"""What can go wrong on the ground floor.

::

    DbError
    ├── NaiveDatetime            a time without a zone (in db.errors_time)
    ├── ValueUnsuitable          a value that cannot be written down faithfully as JSON
    ├── JobRejected              a job that cannot be put on the queue
    ├── JobFailure               raised by a handler: this job must not be tried again
    ├── QueueUnreachable         the database of the job queue does not answer
    ├── StatementFailed          a statement on a connection of its own was not answered
    ├── ValueTaken               a value that has to be the only one of its kind is there already
    ├── AuditFileUnreadable      a file is not an exported audit log, or not a whole one
    ├── DumpFailed               the database could not be dumped or restored
    ├── SchemaError              the tables could not be brought to the wanted revision
    └── EmbeddedPostgresError    the embedded server
        ├── ProgramsMissing      no PostgreSQL programs for this machine
        ├── DatabaseUserMissing  started as root, and no other user to run the server as
        ├── DirectoryUnusable    the directory cannot be read, written or reached
        └── ServerFailed         a program of PostgreSQL ended with an error
"""

from typing import ClassVar


class DbError(Exception):
    """Root of this room's errors."""

    code: ClassVar[str] = "database_error"
    remedy: ClassVar[str] = "Look at the log of the service for the database's own message."

    def diagnostics(self) -> str:
        """Say what to do about it, in one or two sentences."""
        return self.remedy


class ValueUnsuitable(DbError):
    """A value has no canonical JSON form."""

    code = "value_unsuitable"
    remedy = (
        "Pass text, whole and finite numbers, booleans, times, UUIDs, bytes, enums, lists or "
        "mappings with text keys; turn anything else into one of these first."
    )


class JobRejected(DbError):
    """A job cannot be put on the queue as it was described."""

    code = "job_rejected"
    remedy = "Job and queue names have 1 to 128 characters and the payload must be plain JSON."


class JobFailure(DbError):
    """Raised by a job handler to say that trying again cannot help."""

    code = "job_failure"
    remedy = "The job stays on the queue as failed; mend the cause and enqueue it again."


class QueueUnreachable(DbError):
    """The database of the job queue does not answer."""

    code = "queue_unreachable"
    remedy = "Check that the database runs and takes connections, then try again."


class StatementFailed(DbError):
    """A statement on a connection of its own was not answered; the connection is gone with it."""

    code = "statement_failed"
    remedy = "Check that the database runs and takes connections, then try again."


class ValueTaken(DbError):
    """A value that has to be the only one of its kind is there already; the message names it."""

    code = "value_taken"
    remedy = "Look up what is stored, and repeat the request with another value where it differs."


class AuditFileUnreadable(DbError):
    """A file is not an exported audit log, or not a whole one."""

    code = "audit_file_unreadable"
    remedy = "Give the file as `antin audit export` wrote it, to its last line."


class DumpFailed(DbError):
    """The database could not be dumped or restored; the message is the program's own."""

    code = "dump_failed"
    remedy = (
        "Read the message. The programs must be at least as new as the server: for a newer one put "
        "its pg_dump and pg_restore first on the PATH."
    )


class SchemaError(DbError):
    """The tables could not be brought to the wanted revision."""

    code = "schema_error"
    remedy = "Nothing was changed. Read the database's message, mend the cause, migrate again."


class EmbeddedPostgresError(DbError):
    """Root of the embedded server's errors."""

    code = "embedded_postgres_error"
    remedy = "Set ANTIN_DATABASE_URL to use a PostgreSQL server of your own instead."


class ProgramsMissing(EmbeddedPostgresError):
    """No PostgreSQL programs are installed for this machine."""

    code = "postgres_programs_missing"
    remedy = (
        "Install the locked requirements again, or set ANTIN_DATABASE_URL to a PostgreSQL server."
    )


class DatabaseUserMissing(EmbeddedPostgresError):
    """PostgreSQL refuses to run as root and no other user could be had."""

    code = "database_user_missing"
    remedy = (
        "Create a system user named antin-postgres, or start the service as an ordinary user, "
        "or set ANTIN_DATABASE_URL."
    )


class DirectoryUnusable(EmbeddedPostgresError):
    """The server's directory cannot be read, written or reached."""

    code = "database_directory_unusable"
    remedy = "Check owner and mode of the directory, or choose another one with ANTIN_HOME."


class ServerFailed(EmbeddedPostgresError):
    """A program of PostgreSQL ended with an error; the message carries its last words."""

    code = "postgres_server_failed"
    remedy = "Read the log in the server's directory (data/log); free disk space and memory first."
