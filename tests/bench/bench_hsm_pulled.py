"""How soon a token that was pulled out and put back signs again, on each kind of token.

Forty signatures are waiting meanwhile; each has to come. The time is from the hand that puts the
token back: the reader noticing it, the module finding it and the login are all in it.
"""

from collections.abc import Iterable
from contextlib import suppress

import pytest

from hsm.algorithms import KeyAlgorithm
from tests.bench.row import Row
from tests.hsm.pulled import JOBS, Pulled, pulled_and_put_back
from tests.tokens.devices import KINDS, make

ALLOWED_MS = 10_000.0


def rows() -> Iterable[Row]:
    """Pull one of each kind that this machine has."""
    for kind in KINDS:
        with suppress(pytest.skip.Exception):
            pulled = once(kind)
            yield Row(
                name=f"hsm.pulled.{kind}.signs-again",
                value=pulled.seconds * 1000,
                unit="ms_wall",
                reference_name="what is allowed",
                reference_value=ALLOWED_MS,
                goal=1.0,
            )
            yield Row(
                name=f"hsm.pulled.{kind}.jobs-done",
                value=len(set(pulled.signatures)),
                unit="ratio",
                reference_name="jobs that waited",
                reference_value=JOBS,
                goal=1.0,
            )


def once(kind: str) -> Pulled:
    """Take a new token of that kind through it."""
    device = make(kind)
    try:
        device.renew()
        with device.store() as store:
            return pulled_and_put_back(
                device, store.open(device.keys(store)[KeyAlgorithm.RSA_2048])
            )
    finally:
        device.stop()
