"""What is about the process: loading, forking, a second process, a module driven by one thread.

Most of it runs in a process of its own, since a module is loaded once per process and for good.
"""

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hsm.algorithms import KeyAlgorithm
from hsm.errors import ModuleUnavailable, TokenNotFound
from hsm.key_uri import KeyURI
from hsm.modules import load
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMHome, SoftHSMToken, create_softhsm_token
from hsm.tokens import generate_key

pytestmark = pytest.mark.token

ROOT = Path(__file__).parents[2]
OPENSC = Path("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so")


def run_python(script: str, *arguments: object, home: SoftHSMHome) -> str:
    """Run *script* in a new interpreter with warnings as errors; give what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, **home.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def key_uri(key_store: KeyStore, softhsm_token: SoftHSMToken) -> KeyURI:
    return generate_key(key_store, softhsm_token.uri, label="k", algorithm=KeyAlgorithm.P_256)


def test_nothing_is_loaded_before_a_key_is_opened(softhsm_home: SoftHSMHome) -> None:
    script = """
        import sys
        from pathlib import Path
        from hsm.modules import _loaded
        from hsm.providers import KeyStore
        with KeyStore(modules=[sys.argv[1]]) as store:
            print(len(_loaded), "softhsm" in Path("/proc/self/maps").read_text())
    """

    assert run_python(script, softhsm_home.module, home=softhsm_home) == "0 False"


def test_a_module_is_loaded_once_whatever_path_leads_to_it(
    softhsm_home: SoftHSMHome, tmp_path: Path
) -> None:
    link = tmp_path / "link.so"
    link.symlink_to(softhsm_home.module)

    assert load(link) is load(softhsm_home.module)
    assert load(link).parallel
    assert "SoftHSM" in load(link).description


def test_a_missing_or_foreign_module_is_said_so(tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not a library")
    libc = next(Path("/lib").glob("*/libc.so.6"), Path("/lib64/libc.so.6"))

    for path in (tmp_path / "absent.so", tmp_path, text, libc):
        with KeyStore(modules=[path]) as store, pytest.raises(ModuleUnavailable) as caught:
            store.open("pkcs11:serial=1")
        assert caught.value.diagnostics()


def test_a_uri_may_only_name_a_configured_module(
    softhsm_home: SoftHSMHome, tmp_path: Path, key_uri: KeyURI
) -> None:
    elsewhere = tmp_path / "evil.so"
    elsewhere.write_bytes(b"")

    with KeyStore(modules=[softhsm_home.module]) as store:
        with pytest.raises(ModuleUnavailable, match="not among"):
            store.open(f"pkcs11:serial=1?module-path={elsewhere}")
        with pytest.raises(ModuleUnavailable, match="is called"):
            store.open("pkcs11:serial=1?module-name=opensc")
        store.token(KeyURI.parse(str(key_uri).replace("module-path=", "module-path=/..")))
    with KeyStore(trust_module_paths=True) as store:
        store.open(key_uri)
    with KeyStore() as store, pytest.raises(ModuleUnavailable, match="no PKCS#11 module"):
        store.open("pkcs11:serial=1")


@pytest.mark.parametrize("name", ["softhsm2", "libsofthsm2", "libsofthsm2.so"])
def test_a_configured_module_is_found_by_its_name(name: str, softhsm_home: SoftHSMHome) -> None:
    with (
        KeyStore(modules=[softhsm_home.module]) as store,
        pytest.raises(TokenNotFound),
    ):
        store.open(f"pkcs11:serial=none?module-name={name}")


@pytest.mark.skipif(not OPENSC.exists(), reason="OpenSC is not installed")
def test_a_module_that_is_not_proven_in_parallel_gets_one_thread_of_its_own(
    softhsm_home: SoftHSMHome,
) -> None:
    script = """
        import sys
        from pathlib import Path
        from hsm.modules import load
        module = load(Path(sys.argv[1]))
        print(module.parallel, len(module.tokens()) >= 0)
    """

    assert run_python(script, OPENSC, home=softhsm_home) == "False True"


@pytest.mark.skipif(not OPENSC.exists(), reason="OpenSC is not installed")
def test_the_operator_may_declare_a_module_sound_in_many_threads(
    softhsm_home: SoftHSMHome, tmp_path: Path
) -> None:
    link = tmp_path / "vendor.so"
    link.symlink_to(OPENSC)
    script = """
        import sys
        from pathlib import Path
        from hsm.modules import declare_thread_safe, load
        declare_thread_safe([Path(sys.argv[1])])
        module = load(Path(sys.argv[2]))
        print(module.parallel, len(module.tokens()) >= 0)
    """

    assert run_python(script, link, OPENSC, home=softhsm_home) == "True True"


def test_a_declared_module_signs_for_many_threads_in_sessions_of_their_own(
    key_uri: KeyURI, softhsm_home: SoftHSMHome
) -> None:
    script = """
        import sys, threading
        from pathlib import Path
        from hsm import modules
        modules._SAFE_IN_PARALLEL = ()
        modules.declare_thread_safe([Path(sys.argv[2])])
        from hsm.algorithms import SignatureAlgorithm, sign, verify
        from hsm.providers import KeyStore
        with KeyStore(trust_module_paths=True) as store:
            key = store.open(sys.argv[1])
            wrong = []
            def work():
                for number in range(50):
                    data = b"%d" % number
                    algorithm = SignatureAlgorithm.ECDSA_SHA256
                    try:
                        verify(key.public_key(), algorithm, sign(key, algorithm, data), data)
                    except Exception as error:
                        wrong.append(error)
            threads = [threading.Thread(target=work) for _ in range(4)]
            [thread.start() for thread in threads]
            [thread.join() for thread in threads]
            (health,) = store.health()
            print(len(wrong), health.failures, modules.load(Path(sys.argv[2])).parallel)
    """

    told = run_python(script, key_uri, softhsm_home.module, home=softhsm_home)
    assert told == "0 0 True"


def test_one_dedicated_thread_signs_for_many(key_uri: KeyURI, softhsm_home: SoftHSMHome) -> None:
    script = """
        import sys, threading
        from concurrent.futures import ThreadPoolExecutor
        from hsm import modules
        modules._SAFE_IN_PARALLEL = ()
        from hsm.algorithms import SignatureAlgorithm, sign, verify
        from hsm.providers import KeyStore
        with KeyStore(trust_module_paths=True) as store:
            key = store.open(sys.argv[1])
            def work(number):
                data = b"%d" % number
                algorithm = SignatureAlgorithm.ECDSA_SHA256
                verify(key.public_key(), algorithm, sign(key, algorithm, data), data)
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(work, range(200)))
            (health,) = store.health()
            print(health.sessions, health.failures, health.operations >= 200)
    """

    assert run_python(script, key_uri, home=softhsm_home) == "1 0 True"


def test_a_second_process_uses_the_same_token_at_the_same_time(
    key_store: KeyStore, key_uri: KeyURI, softhsm_home: SoftHSMHome
) -> None:
    script = """
        import sys
        from hsm.algorithms import SignatureAlgorithm, sign
        from hsm.providers import KeyStore
        with KeyStore(trust_module_paths=True) as store:
            for number in range(50):
                sign(store.open(sys.argv[1]), SignatureAlgorithm.ECDSA_SHA256, b"%d" % number)
        print("signed")
    """
    key_store.open(key_uri)

    assert run_python(script, key_uri, home=softhsm_home) == "signed"
    assert key_store.open(key_uri).public_key()


def test_a_forked_child_is_refused_the_parents_module_and_harms_nothing(
    key_uri: KeyURI, softhsm_home: SoftHSMHome
) -> None:
    script = """
        import os, sys
        from hsm.algorithms import SignatureAlgorithm, sign
        from hsm.errors import ModuleUnavailable
        from hsm.providers import KeyStore
        algorithm = SignatureAlgorithm.ECDSA_SHA256
        store = KeyStore(trust_module_paths=True)
        key = store.open(sys.argv[1])
        sign(key, algorithm, b"before")

        def refused(function, *arguments):
            try:
                function(*arguments)
            except ModuleUnavailable:
                return 1
            return 0

        child = os.fork()
        if not child:
            fresh = KeyStore(trust_module_paths=True)
            count = refused(sign, key, algorithm, b"x") + refused(store.open, sys.argv[1])
            count += refused(fresh.open, sys.argv[1])
            store.close()
            sys.exit(10 + count)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        sign(key, algorithm, b"after")
        store.close()
    """

    assert run_python(script, key_uri, home=softhsm_home) == "13"


def test_a_child_forked_before_any_key_was_opened_opens_its_own(
    key_uri: KeyURI, softhsm_home: SoftHSMHome
) -> None:
    script = """
        import os, sys
        from hsm.algorithms import SignatureAlgorithm, sign
        from hsm.providers import KeyStore
        store = KeyStore(trust_module_paths=True)
        child = os.fork()
        sign(store.open(sys.argv[1]), SignatureAlgorithm.ECDSA_SHA256, b"data")
        store.close()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """

    assert run_python(script, key_uri, home=softhsm_home) == "0"


def test_a_token_made_under_another_configuration_is_not_taken_for_ours(
    softhsm_home: SoftHSMHome, tmp_path: Path
) -> None:
    assert load(softhsm_home.module).tokens() is not None
    other = SoftHSMHome.prepare(tmp_path / "other")

    with pytest.raises(ModuleUnavailable, match="SOFTHSM2_CONF"):
        create_softhsm_token(other, label="lost")
    assert other.tokens() == []


def test_a_home_is_prepared_once_and_found_again(tmp_path: Path) -> None:
    first = SoftHSMHome.prepare(tmp_path / "home")
    written = first.conf.read_text()

    assert SoftHSMHome.prepare(tmp_path / "home") == first
    assert (tmp_path / "home").rename(tmp_path / "moved")
    moved = SoftHSMHome.prepare(tmp_path / "moved")
    assert str(moved.tokens_directory) in moved.conf.read_text()
    assert (tmp_path / "moved").rename(tmp_path / "home")
    first = SoftHSMHome.prepare(tmp_path / "home")
    assert first.conf.read_text() == written
    assert str(first.tokens_directory) in written
    assert first.environment == {"SOFTHSM2_CONF": str(first.conf)}
    with pytest.raises(ModuleUnavailable):
        create_softhsm_token(
            SoftHSMHome.prepare(tmp_path / "x", module=tmp_path / "none.so"), label="a"
        )


def test_processes_that_start_together_all_find_the_token_and_log_in(
    key_uri: KeyURI, softhsm_home: SoftHSMHome
) -> None:
    script = """
        import sys
        from hsm.algorithms import SignatureAlgorithm, sign
        from hsm.providers import KeyStore
        for number in range(20):
            with KeyStore(trust_module_paths=True) as store:
                sign(store.open(sys.argv[1]), SignatureAlgorithm.ECDSA_SHA256, b"%d" % number)
        print("signed")
    """
    with ThreadPoolExecutor(4) as pool:
        said = pool.map(lambda _: run_python(script, key_uri, home=softhsm_home), range(4))

    assert list(said) == ["signed"] * 4
