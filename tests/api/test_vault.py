"""Where an installation's keys are made: on the token that its operator names."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from hsm.softhsm import find_softhsm_module

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.token

SCRIPT = """
    import os, sys
    from pathlib import Path
    from api import first_run, vault
    from api.settings import from_environment
    from hsm.algorithms import KeyAlgorithm
    from hsm.softhsm import SoftHSMHome, create_softhsm_token

    hsm, home, declared = map(Path, sys.argv[1:])
    there = SoftHSMHome.prepare(hsm)
    os.environ.update(there.environment)
    token = create_softhsm_token(there, label="HSM của tỉnh")
    uri = f"pkcs11:serial={token.serial}?pin-source=file:{token.pin_file}"
    settings = from_environment(
        {
            "ANTIN_HOME": str(home),
            "ANTIN_KEY_TOKEN": uri,
            "ANTIN_PKCS11_MODULE": str(there.module),
            "ANTIN_PKCS11_THREAD_SAFE": str(declared),
        }
    )
    first_run.make_home(settings)
    made = []
    for _ in range(2):  # the second finds what the first has written down
        opened = vault.open_vault(settings)
        with opened.key_store() as keys:
            key = opened.make_key(keys, label=f"k{len(made)}", algorithm=KeyAlgorithm.P_256)
            made.append(keys.open(key).public_key().key_size)
            (health,) = keys.health()
    print(opened.kind, made, health.serial == token.serial, (home / "softhsm").exists())
"""


def test_keys_are_made_on_the_token_that_is_named_and_no_other_is_made(tmp_path: Path) -> None:
    module = find_softhsm_module()
    assert module is not None
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c", textwrap.dedent(SCRIPT)),
            *map(str, (tmp_path / "hsm", tmp_path / "home", module)),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "token [256, 256] True False"
