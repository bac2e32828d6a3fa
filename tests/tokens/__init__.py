"""Real tokens for tests of every room.

SoftHSM reads its configuration from the environment once per process, so a test process (an xdist
worker) has one SoftHSM home, and each test or module makes the tokens it wants in it. The fixtures
are there for every test (see ``tests/conftest.py``); for a token that lives longer than one test,
call :func:`new_token` in a fixture of your own.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMHome, SoftHSMToken, create_softhsm_token


@cache
def process_home() -> SoftHSMHome:
    """Make the one SoftHSM home of this test process, and point the module at it."""
    directory = Path(tempfile.mkdtemp(prefix="antin-softhsm-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    home = SoftHSMHome.prepare(directory)
    os.environ.update(home.environment)
    return home


# Whatever opens a token first in this process, a command line for one, finds the tests' home.
process_home()


def new_token(label: str = "test") -> SoftHSMToken:
    """Create another token with random PINs: ``.uri``, ``.serial``, ``.module``, ``.pin_file``."""
    return create_softhsm_token(process_home(), label=label)


def store_for(token: SoftHSMToken) -> KeyStore:
    """Make a key store that may use the token's module. The caller closes it."""
    return KeyStore(modules=[token.module])


@pytest.fixture(scope="session")
def softhsm_home() -> SoftHSMHome:
    """The SoftHSM home of this process."""
    return process_home()


@pytest.fixture
def softhsm_token() -> SoftHSMToken:
    """A new, empty token."""
    return new_token()


@pytest.fixture
def key_store(softhsm_token: SoftHSMToken) -> Iterator[KeyStore]:
    """A key store for ``softhsm_token``."""
    with store_for(softhsm_token) as store:
        yield store
