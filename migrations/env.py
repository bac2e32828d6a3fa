"""How Alembic reaches the database, and which tables it compares.

The caller passes a URL (`-x url=…`, or `config.attributes["url"]`). All revisions of a run happen
in one transaction, under a lock, so that processes starting together migrate one after the other
and a failure leaves everything as it was.
"""

import importlib
import importlib.util
import pkgutil

from alembic import context
from sqlalchemy import Connection, text

from db.base import Base
from db.session import create_engine

ROOMS = ("db", "ca", "signing", "api")
"""Rooms that may own tables, in their module `models` and those beside it, `models_<subject>`."""

LOCK = 0x416E_5469_6E01
"""Number of the advisory lock that migrations hold; ours alone in this database."""


def _import_models() -> None:
    for room in ROOMS:
        found = importlib.util.find_spec(room)
        places = found.submodule_search_locations if found else None
        for module in pkgutil.iter_modules(places or ()):
            if module.name == "models" or module.name.startswith("models_"):
                importlib.import_module(f"{room}.{module.name}")


def _url() -> str:
    url = context.config.attributes.get("url") or context.get_x_argument(as_dictionary=True)["url"]
    return str(url)


def _run(connection: Connection) -> None:
    _import_models()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        # Whoever comes second waits as long as the first needs, then finds nothing left to do.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        context.run_migrations()


def _main() -> None:
    engine = create_engine(_url(), pool_size=1)
    try:
        with engine.connect() as connection:
            _run(connection)
    finally:
        engine.dispose()


_main()
