"""Tokens that are pulled out, daemons that die, processes that fork, on every kind of token."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hsm.algorithms import KeyAlgorithm, sign, verify
from hsm.login import serial_text
from hsm.providers import KeyStore
from tests.hsm.pulled import ALGORITHM, JOBS, pulled_and_put_back
from tests.tokens.devices import Device, Keys

pytestmark = pytest.mark.token

ROOT = Path(__file__).parents[3]
BACK_SECONDS = 10.0


def test_a_token_pulled_out_and_put_back_signs_again_and_no_job_is_lost(
    device: Device, store: KeyStore, keys: Keys
) -> None:
    pulled = pulled_and_put_back(device, store.open(keys[KeyAlgorithm.RSA_2048]))

    assert pulled.seconds < BACK_SECONDS
    assert len(set(pulled.signatures)) == JOBS
    assert bool(pulled.refusals) is not device.goes_on_alone
    assert pulled.said_while_away is not device.goes_on_alone
    assert store.health()[0].wrong_signatures == 0
    assert store.health()[0].present


def test_a_module_that_was_left_finalised_is_started_again(
    device: Device, store: KeyStore, keys: Keys
) -> None:
    key = store.open(keys[KeyAlgorithm.RSA_2048])
    module = device.loaded
    finalise = module.native.finalize if module.shares_state else module._library.finalize
    module.call(lambda call: call(), finalise)

    verify(key.public_key(), ALGORITHM, sign(key, ALGORITHM, b"data"), b"data")
    module.call(lambda call: call(), finalise)

    assert device.serial in {serial_text(token) for token in module.tokens()}


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
