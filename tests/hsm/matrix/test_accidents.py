"""Tokens that are pulled out, daemons that die, processes that fork, on every kind of token."""

import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, sign, verify
from hsm.errors import TokenRemoved
from hsm.providers import KeyStore
from tests.tokens.devices import Device, Keys
from tests.tokens.machine import wait_for

pytestmark = pytest.mark.token

ROOT = Path(__file__).parents[3]
ALGORITHM = SignatureAlgorithm.RSA_PKCS1_SHA256
JOBS = 40
BEFORE = 8
BACK_SECONDS = 10.0


def test_a_token_pulled_out_and_put_back_signs_again_and_no_job_is_lost(
    device: Device, store: KeyStore, keys: Keys
) -> None:
    key = store.open(keys[KeyAlgorithm.RSA_2048])
    errors: list[TokenRemoved] = []
    pulled = threading.Event()

    def job(number: int) -> bytes:
        data = b"%d" % number
        if number >= BEFORE:
            pulled.wait(10)
        while True:
            try:
                signature = sign(key, ALGORITHM, data)
            except TokenRemoved as error:
                errors.append(error)
                time.sleep(0.05)
            else:
                verify(key.public_key(), ALGORITHM, signature, data)
                if number == 5:
                    pulled.wait(10)
                return signature

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(job, number) for number in range(JOBS)]
        jobs[BEFORE - 1].result(timeout=30)
        device.pull()
        pulled.set()
        if not device.goes_on_alone:
            wait_for(lambda: errors, "nobody noticed that the token is away")
            with pytest.raises(TokenRemoved):
                sign(key, ALGORITHM, b"while it is away")
        device.insert()
        back = time.monotonic()
        job(JOBS)
        seconds = time.monotonic() - back
        signatures = [each.result(timeout=30) for each in jobs]

    assert seconds < BACK_SECONDS
    assert len(set(signatures)) == JOBS
    assert bool(errors) is not device.goes_on_alone
    assert store.health()[0].wrong_signatures == 0
    assert store.health()[0].present


def test_a_forked_child_is_refused_and_the_parent_signs_on(
    device: Device, keys: Keys, store: KeyStore, tmp_path: Path
) -> None:
    script = """
        import os, sys
        from hsm.algorithms import SignatureAlgorithm, sign
        from hsm.errors import ModuleUnavailable
        from hsm.providers import KeyStore
        algorithm = SignatureAlgorithm.RSA_PKCS1_SHA256
        store = KeyStore(modules=[sys.argv[1]])
        key = store.open(sys.argv[2])
        sign(key, algorithm, b"before")
        child = os.fork()
        if not child:
            for use in (lambda: sign(key, algorithm, b"x"), lambda: store.open(sys.argv[2])):
                try:
                    use()
                except ModuleUnavailable:
                    continue
                os._exit(1)
            store.close()
            sys.exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sign(key, algorithm, b"after")
        store.close()
        print(code)
    """
    store.close()
    pin = tmp_path / "pin"
    pin.write_bytes(device.pin.reveal())
    uri = f"{keys[KeyAlgorithm.RSA_2048]}?pin-source=file:{pin}"

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), device.module, uri],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0"
