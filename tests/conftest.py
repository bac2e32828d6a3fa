"""What every test gets: a clean database or a new token when it asks, no way out of the machine."""

pytest_plugins = ["tests.database", "tests.network", "tests.tokens"]
