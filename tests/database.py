"""PostgreSQL for tests: one embedded server per test process, a clean database for each test.

`sessions`, `engine` and `database_url` speak of one database per process, emptied before each test
that asks for it. `new_database()` makes a further one, migrated and empty, for servers started by a
test, for other processes, and for tests that change tables.
"""

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, make_url
from sqlalchemy.orm import Session, sessionmaker

from db import schema
from db.embedded import EmbeddedPostgres
from db.session import create_engine, session_factory

TEMPLATE = "template_antin"

# A test database need not outlive its machine. What must last is tested on a server of its own.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Rows that migrations put in (the heads of the audit chains, the revision) are kept aside once.
_KEEP_SEED = """
CREATE SCHEMA test_seed;
DO $$ DECLARE t record; filled boolean; BEGIN
    FOR t IN SELECT schemaname, tablename FROM pg_tables
        WHERE schemaname IN ('public', 'procrastinate')
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I)', t.schemaname, t.tablename) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE test_seed.%I AS TABLE %I.%I',
                t.tablename, t.schemaname, t.tablename);
        END IF;
    END LOOP;
END $$;
"""

# As a replica the session fires no triggers, so neither foreign keys nor the audit log object.
_CLEAN = """
SET LOCAL session_replication_role = replica;
SET LOCAL lock_timeout = '10s';
DO $$ DECLARE t record; BEGIN
    FOR t IN SELECT schemaname, tablename FROM pg_tables
        WHERE schemaname IN ('public', 'procrastinate')
    LOOP
        EXECUTE format('DELETE FROM %I.%I', t.schemaname, t.tablename);
    END LOOP;
    FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'test_seed' LOOP
        EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE TABLE test_seed.%I',
            t.tablename, t.tablename);
    END LOOP;
END $$;
"""


@dataclass
class TestDatabases:
    """The server of this test process and the databases made on it."""

    __test__ = False
    server: EmbeddedPostgres
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_database(self, *, migrated: bool = True) -> str:
        """Make a database of the service's role and return its URL."""
        name = f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} OWNER antin TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(TEMPLATE if migrated else "template0")
        )
        with self.superuser("postgres") as connection:
            connection.execute(statement)
        return _with_database(self.server.url, name)

    def superuser(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """Connect as the superuser, who can go past every trigger."""
        url = _with_database(self.server.superuser_url, database)
        return psycopg.connect(url, autocommit=True)

    def superuser_url(self, url: str) -> str:
        """URL of the same database as `url` for the superuser."""
        return _with_database(self.server.superuser_url, make_url(url).database or "")


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestDatabases]:
    """The server, with a migrated template database."""
    # Not below pytest's directory, which every session closes to others anew: started by root, the
    # server runs as a user who must get there.
    with (
        tempfile.TemporaryDirectory(prefix="antin-test-") as directory,
        EmbeddedPostgres(Path(directory) / "postgres", settings=QUICK) as server,
    ):
        databases = TestDatabases(server)
        with databases.superuser("postgres") as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE} OWNER antin")
        schema.upgrade(_with_database(server.url, TEMPLATE))
        with databases.superuser(TEMPLATE) as connection:
            connection.execute(_KEEP_SEED)
        yield databases


@pytest.fixture(scope="session")
def _shared_engine(postgres: TestDatabases) -> Iterator[Engine]:
    engine = create_engine(postgres.new_database())
    yield engine
    engine.dispose()


@pytest.fixture
def engine(postgres: TestDatabases, _shared_engine: Engine) -> Engine:
    """An engine on a database with nothing in it but what the migrations put there."""
    database = _shared_engine.url.database or ""
    with postgres.superuser(database) as connection, connection.transaction():
        connection.execute(_CLEAN)
    return _shared_engine


@pytest.fixture
def database_url(engine: Engine) -> str:
    """URL of the same clean database."""
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    """Sessions of the same clean database."""
    return session_factory(engine)


def _with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
