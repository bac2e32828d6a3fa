"""Real tokens for tests of every room.

SoftHSM reads its configuration from the environment once per process, so a test process (an xdist
worker) has one SoftHSM home, and each test or module makes the tokens it wants in it. Use the
``softhsm_home`` and ``softhsm_token`` fixtures by importing them into a ``conftest.py``.
"""

import os
import tempfile
from functools import cache
from pathlib import Path

import pytest

from hsm.softhsm import SoftHSMHome, SoftHSMToken, create_softhsm_token


@cache
def process_home() -> SoftHSMHome:
    """Make the one SoftHSM home of this test process, and point the module at it."""
    home = SoftHSMHome.prepare(Path(tempfile.mkdtemp(prefix="antin-softhsm-")))
    os.environ.update(home.environment)
    return home


def new_token(label: str = "test") -> SoftHSMToken:
    """Create another token with random PINs: ``.uri``, ``.serial``, ``.module``, ``.pin_file``."""
    return create_softhsm_token(process_home(), label=label)


@pytest.fixture(scope="session")
def softhsm_home() -> SoftHSMHome:
    return process_home()


@pytest.fixture
def softhsm_token() -> SoftHSMToken:
    return new_token()
