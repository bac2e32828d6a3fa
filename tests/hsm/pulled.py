"""A token is pulled out under forty signatures and put back: how soon is it of use, what is lost?

Forty jobs wait in four threads, as batches do; a job that finds the token away tries again until it
is back. The test of every kind of token and the benchmark look at the same run.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hsm.algorithms import PrivateKey, SignatureAlgorithm, sign, verify
from hsm.errors import TokenRemoved
from tests.tokens.devices import Device
from tests.tokens.machine import wait_for

JOBS = 40
BEFORE = 8
"""Jobs that are done, or in the middle of it, when the token goes."""
ALGORITHM = SignatureAlgorithm.RSA_PKCS1_SHA256
AGAIN = 0.05
PATIENCE = 60.0
"""Seconds until a job gives up: a token that stays away is a failure, not a test that hangs."""


@dataclass
class Pulled:
    """What happened: *seconds* is from the hand that puts the token back to a new signature."""

    seconds: float = 0.0
    signatures: list[bytes] = field(default_factory=list)
    refusals: list[TokenRemoved] = field(default_factory=list)
    said_while_away: bool = False


class _Run:
    def __init__(self, key: PrivateKey) -> None:
        self.key = key
        self.pulled = threading.Event()
        self.result = Pulled()
        self.ends = time.monotonic() + PATIENCE

    def job(self, number: int) -> bytes:
        """Sign, however long the token is away."""
        if number >= BEFORE:
            self.pulled.wait(10)
        while True:
            try:
                signature = self.signed(b"%d" % number)
            except TokenRemoved as error:
                self.result.refusals.append(error)
                if time.monotonic() > self.ends:
                    raise
                time.sleep(AGAIN)
            else:
                if number == BEFORE - 3:
                    self.pulled.wait(10)
                return signature

    def signed(self, data: bytes) -> bytes:
        signature = sign(self.key, ALGORITHM, data)
        verify(self.key.public_key(), ALGORITHM, signature, data)
        return signature

    def refused(self) -> bool:
        try:
            self.signed(b"while it is away")
        except TokenRemoved:
            return True
        return False


def pulled_and_put_back(device: Device, key: PrivateKey) -> Pulled:
    """Do it once with a key that is open on *device*."""
    run = _Run(key)
    result = run.result
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(run.job, number) for number in range(JOBS)]
        jobs[BEFORE - 1].result(timeout=30)
        device.pull()
        run.pulled.set()
        if not device.goes_on_alone:
            wait_for(lambda: result.refusals, "nobody noticed that the token is away")
            result.said_while_away = run.refused()
        began = time.perf_counter()
        device.insert()
        run.job(JOBS)
        result.seconds = time.perf_counter() - began
        result.signatures = [job.result(timeout=30) for job in jobs]
    return result
