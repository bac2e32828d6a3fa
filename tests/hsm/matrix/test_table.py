"""What the manual says about each kind of token is what the tests of this folder hold it to."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from hsm.algorithms import KeyAlgorithm
from hsm.pin_changes import UnlockWith
from hsm.policy import LoginPolicy
from tests.tokens.devices import KINDS, CountingToken, Device, RemoteHsm, SoftHsm, UsbToken

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MANUAL = ROOT / "docs" / "operations" / "tokens.md"
BEGIN, END = "<!-- matrix: checked by a test -->", "<!-- end of matrix -->"
DEVICES: dict[str, type[Device]] = {
    "SoftHSM2": SoftHsm,
    "remote (p11-kit)": RemoteHsm,
    "PIV card (OpenSC)": UsbToken,
    "openCryptoki": CountingToken,
}
Kind = type[Device]


def made(kind: Kind) -> str:
    short = [str(one).upper().replace("RSA-", "") for one in kind.makes if "rsa" in one]
    rest = [str(one).capitalize() for one in kind.makes if "rsa" not in one]
    return f"RSA {', '.join(short)}; {', '.join(rest) or 'no EC'}" if kind.makes else "refused"


def signs(algorithm: KeyAlgorithm) -> Callable[[Kind], str]:
    return lambda kind: "signs" if algorithm in kind.key_kinds else "no such keys"


def locks(kind: Kind) -> str:
    return f"after {kind.locks_after} tries" if kind.locks_after else "never"


def removal(kind: Kind) -> str:
    return "signs on meanwhile" if kind.goes_on_alone else "signs again, no job lost"


ROWS: tuple[tuple[str, str, Callable[[Kind], str]], ...] = (
    ("list", "test_a_token_is_listed_with_what_is_on_it", lambda _: "keys, certificates"),
    ("make keys, CSR", "test_a_key_is_made_requested_and_certified_on_the_token", made),
    ("RSA PKCS #1 v1.5", "test_each_mechanism_signs", signs(KeyAlgorithm.RSA_2048)),
    ("RSA-PSS", "test_each_mechanism_signs", signs(KeyAlgorithm.RSA_2048)),
    ("ECDSA", "test_each_mechanism_signs", signs(KeyAlgorithm.P_256)),
    (
        "wrong PIN",
        "test_a_wrong_pin_is_sent_once",
        lambda kind: "sent once, tries told" if kind.locks_after else "sent once",
    ),
    ("locks", "test_wrong_pins_tell_how_many_tries_are_left_and_then_lock", locks),
    (
        "unlock",
        "test_the_officer_or_puk_sets_a_forgotten_pin",
        lambda kind: "by PUK" if kind.unlock_with is UnlockWith.PUK else "by SO PIN",
    ),
    (
        "PIN change",
        "test_the_holder_changes_the_pin_and_open_keys_go_on",
        lambda _: "open keys go on",
    ),
    (
        "removal, daemon killed",
        "test_a_token_pulled_out_and_put_back_signs_again_and_no_job_is_lost",
        removal,
    ),
    (
        "fork",
        "test_a_forked_child_is_refused_and_the_parent_signs_on",
        lambda _: "child refused, parent signs on",
    ),
    (
        "many threads",
        "test_many_threads_sign_with_two_keys_and_no_signature_is_wrong",
        lambda kind: "in parallel" if kind.parallel else "one at a time",
    ),
    (
        "login",
        "test_a_token_is_listed_with_what_is_on_it",
        lambda kind: "each time" if kind.policy is LoginPolicy.EACH_TIME else "held",
    ),
)


def table() -> str:
    """Write the table as the manual has it."""
    lines = [f"| | {' | '.join(DEVICES)} |", "|---" * (len(DEVICES) + 1) + "|"]
    for name, _, cell in ROWS:
        lines.append(f"| {name} | {' | '.join(cell(kind) for kind in DEVICES.values())} |")
    return "\n".join(lines)


def test_the_manual_says_what_is_tested() -> None:
    _, _, rest = MANUAL.read_text(encoding="utf-8").partition(BEGIN)
    said, end, _ = rest.partition(END)
    assert end
    assert said.strip() == table()


def test_every_row_has_its_test_on_every_kind_of_token_and_none_can_be_skipped() -> None:
    assert tuple(kind.kind for kind in DEVICES.values()) == KINDS
    found = {}
    for path in HERE.glob("test_*.py"):
        if path != Path(__file__):
            source = path.read_text(encoding="utf-8")
            assert "skip" not in source
            assert "xfail" not in source
            functions = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
            found |= {one.name: {argument.arg for argument in one.args.args} for one in functions}
    for _, test, _ in ROWS:
        assert "device" in found[test]


def test_where_the_repository_is_watched_a_missing_module_fails() -> None:
    assert "export CI=" in (ROOT / ".ci" / "run").read_text()
    script = """
        import pytest
        from tests.tokens.machine import library, program
        for look in (library, program):
            try:
                look("no-such-thing.so", "no-such-package")
            except pytest.fail.Exception:
                continue
            raise SystemExit(1)
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in script.splitlines())],
        env={**os.environ, "CI": "true", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
