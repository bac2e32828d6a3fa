"""What every test gets: a clean database when it asks for one, and no way out of the machine."""

pytest_plugins = ["tests.database", "tests.network"]
