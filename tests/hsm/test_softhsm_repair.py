import subprocess
import sys
from pathlib import Path

import pytest

from hsm import softhsm_repair
from hsm.algorithms import KeyAlgorithm, SignatureAlgorithm, sign
from hsm.softhsm import SoftHSMHome, SoftHSMToken
from hsm.tokens import generate_key
from tests.tokens import store_for

SIGN = """
import sys
from hsm.algorithms import SignatureAlgorithm, sign
from hsm.providers import KeyStore
with KeyStore(modules=[sys.argv[1]]) as store:
    sign(store.open(sys.argv[2]), SignatureAlgorithm.ECDSA_SHA256, b"x")
"""


def token_file(home: SoftHSMHome, token: SoftHSMToken) -> Path:
    (found,) = (
        path
        for path in home.tokens_directory.glob(f"*/{softhsm_repair.FILE}")
        if token.serial.encode() in path.read_bytes()
    )
    return found


def signs_elsewhere(token: SoftHSMToken, uri: str) -> bool:
    """Whether a process that starts now can use the key."""
    done = subprocess.run(
        [sys.executable, "-c", SIGN, token.module, uri], capture_output=True, check=False
    )
    return done.returncode == 0


@pytest.mark.token
@pytest.mark.parametrize("left", [0, 5, 100, -1])
def test_a_token_broken_by_a_kill_at_its_login_is_mended(
    softhsm_home: SoftHSMHome,
    softhsm_token: SoftHSMToken,
    left: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = token_file(softhsm_home, softhsm_token)
    with store_for(softhsm_token) as store:
        uri = generate_key(store, softhsm_token.uri, label="khóa", algorithm=KeyAlgorithm.P_256)
        running = store.open(uri)
        assert signs_elsewhere(softhsm_token, str(uri))
        whole = file.read_bytes()
        file.write_bytes(whole[:left])
        assert not signs_elsewhere(softhsm_token, str(uri))
        softhsm_home.keep_whole()
        assert file.parent.name in caplog.text
        assert file.read_bytes()[8:] == whole[8:]
        assert signs_elsewhere(softhsm_token, str(uri))
        sign(running, SignatureAlgorithm.ECDSA_SHA256, b"y")


@pytest.mark.token
def test_a_login_in_this_process_mends_first(
    softhsm_home: SoftHSMHome, softhsm_token: SoftHSMToken
) -> None:
    file = token_file(softhsm_home, softhsm_token)
    file.write_bytes(b"")
    with store_for(softhsm_token) as store:
        uri = generate_key(store, softhsm_token.uri, label="x", algorithm=KeyAlgorithm.P_256)
        sign(store.open(uri), SignatureAlgorithm.ECDSA_SHA256, b"x")
    assert softhsm_repair.is_whole(file.read_bytes())


@pytest.mark.token
def test_what_is_whole_is_left_alone_and_copied_when_it_changes(
    softhsm_home: SoftHSMHome, softhsm_token: SoftHSMToken
) -> None:
    file = token_file(softhsm_home, softhsm_token)
    copy = softhsm_home.copies_directory / f"{file.parent.name}.{softhsm_repair.FILE}"
    assert copy.read_bytes()[8:] == file.read_bytes()[8:]
    assert copy.stat().st_mode & 0o777 == 0o600
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    softhsm_home.keep_whole()
    assert file.read_bytes() == copy.read_bytes() == changed


@pytest.mark.token
def test_the_file_of_a_real_token_is_whole_and_no_part_of_it_is(
    softhsm_home: SoftHSMHome, softhsm_token: SoftHSMToken
) -> None:
    content = token_file(softhsm_home, softhsm_token).read_bytes()
    assert softhsm_repair.is_whole(content)
    whole = [end for end in range(len(content)) if softhsm_repair.is_whole(content[:end])]
    attributes = 5  # a part that ends between two of them cannot be told from a whole
    assert len(whole) < attributes


def test_a_token_without_a_copy_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "tokens" / "one"
    folder.mkdir(parents=True)
    (folder / softhsm_repair.FILE).write_bytes(b"")
    assert softhsm_repair.mend(tmp_path / "tokens", tmp_path / "copies") == []
    assert (folder / softhsm_repair.FILE).read_bytes() == b""
