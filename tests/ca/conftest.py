"""A house with authorities for the tests of the registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from hsm.providers import KeyStore
from tests.ca.house import House
from tests.ca.publisher import Publisher, publishing


@pytest.fixture
def keys() -> Iterator[KeyStore]:
    with KeyStore() as store:
        yield store


@pytest.fixture
def house(sessions: sessionmaker[Session], keys: KeyStore, tmp_path: Path) -> House:
    made = House(sessions, keys, tmp_path)
    made.establish()
    return made


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as made:
        yield made
