"""Migrations: forwards, backwards and forwards again, with rows in, by many at once."""

import pkgutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from db import audit, jobs, schema
from db.errors import SchemaError
from db.revision import MIGRATIONS, newest
from db.session import create_engine, session_factory
from tests.database import TestDatabases

REPOSITORY = Path(__file__).parents[2]
REVISIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]


@pytest.fixture
def empty(postgres: TestDatabases) -> str:
    return postgres.new_database(migrated=False)


def put_rows_in(url: str) -> None:
    engine = create_engine(url, pool_size=1)
    with session_factory(engine).begin() as session:
        jobs.enqueue(session, job="crl", payload={"n": 1}, unique="ca1")
        for name in ("1", "2"):
            audit.record(
                session,
                at=datetime.now(UTC),
                actor="a",
                action="b",
                object_type="c",
                object_id=name,
            )
    engine.dispose()


def relations(url: str) -> set[str]:
    engine = create_engine(url, pool_size=1)
    with engine.connect() as connection:
        names = connection.scalars(
            text(
                "SELECT n.nspname || '.' || x.name FROM pg_namespace n JOIN ("
                "SELECT relnamespace AS space, relname AS name FROM pg_class UNION ALL "
                "SELECT pronamespace, proname FROM pg_proc UNION ALL "
                "SELECT typnamespace, typname FROM pg_type) x ON x.space = n.oid "
                "WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
            )
        ).all()
    engine.dispose()
    return set(names)


def test_up_down_up_with_rows_in(empty: str) -> None:
    schema.upgrade(empty, "0001_audit_and_jobs")
    put_rows_in(empty)
    schema.upgrade(empty)
    assert schema.is_current(empty)
    put_rows_in(empty)
    schema.downgrade(empty, "base")
    assert schema.current(empty) == ()
    assert {name for name in relations(empty) if "alembic_version" not in name} == set()
    schema.upgrade(empty)
    put_rows_in(empty)
    assert schema.current(empty) == schema.latest()


def test_every_revision_can_be_taken_back_alone(empty: str) -> None:
    before = relations(empty)
    for revision in REVISIONS:
        schema.upgrade(empty, revision)
        after = relations(empty)
        if revision != REVISIONS[0]:
            schema.downgrade(empty, "-1")
            assert relations(empty) == before, revision
            schema.upgrade(empty, revision)
        assert relations(empty) == after, revision
        before = after


def test_the_revisions_form_one_line() -> None:
    assert len(schema.latest()) == 1


def test_the_models_say_what_the_migrations_made(postgres: TestDatabases) -> None:
    for room in ("api", "ca", "db", "signing"):
        for module in pkgutil.iter_modules([str(REPOSITORY / room)]):
            if "models" in module.name:
                import_module(f"{room}.{module.name}")
    assert schema.drift(postgres.new_database()) == []


def test_processes_that_start_together_migrate_once(empty: str) -> None:
    program = "import sys; from db import schema; schema.upgrade(sys.argv[1])"
    starting = [
        subprocess.Popen([sys.executable, "-c", program, empty], cwd=REPOSITORY) for _ in range(3)
    ]
    assert [process.wait(timeout=60) for process in starting] == [0, 0, 0]
    assert schema.is_current(empty)


def test_threads_that_start_together_migrate_once(empty: str) -> None:
    threads = [threading.Thread(target=schema.upgrade, args=(empty,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert schema.is_current(empty)


def test_a_failed_migration_changes_nothing(empty: str) -> None:
    engine = create_engine(empty, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA procrastinate"))  # in the way, half-way through
    engine.dispose()
    before = relations(empty)
    with pytest.raises(SchemaError):
        schema.upgrade(empty)
    assert {name for name in relations(empty) if "alembic" not in name} == before


def test_an_unknown_revision_is_an_error_of_ours(empty: str) -> None:
    with pytest.raises(SchemaError):
        schema.upgrade(empty, "9999_nowhere")


def test_the_command_line_of_alembic_works_from_the_root(empty: str) -> None:
    alembic = [sys.executable, "-m", "alembic", "-x", f"url={empty}"]
    subprocess.run([*alembic, "upgrade", "heads"], cwd=REPOSITORY, check=True, capture_output=True)
    assert schema.is_current(empty)


def test_the_tables_of_the_job_queue_are_those_of_the_installed_library() -> None:
    published = files("procrastinate").joinpath("sql/schema.sql").read_text(encoding="utf-8")
    ours = (MIGRATIONS / "procrastinate_3_10.sql").read_text(encoding="utf-8")
    assert ours.endswith(published)


def test_the_newest_revision_is_known_without_loading_any() -> None:
    assert newest() == schema.latest()
