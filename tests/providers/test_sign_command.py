"""`antin sign` with a phone or a signing service: waiting, the code, every ending, Ctrl-C."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.simulator.operator import Operator, Transaction
from hsm.algorithms import KeyAlgorithm
from tests.api.test_command_line import Done, antin
from tests.pdf.signing_kit import blank_pdf, pdfsig
from tests.providers.conftest import World
from tests.providers.csc_service import PIN, TOKEN
from tests.providers.test_csc import Cloud, cloud

__all__ = ["cloud"]
ROOT = Path(__file__).parents[2]
NUMBER = "+84912345678"
PATIENCE = 30.0
ENVIRONMENT = {n: v for n, v in os.environ.items() if not n.startswith("ANTIN_")} | {
    "PYTHONPATH": str(ROOT)
}
AT_A_TERMINAL = (
    "import os, signal, sys;"
    "signal.signal(signal.SIGINT, signal.SIG_DFL);"
    "os.execv(sys.executable, [sys.executable, '-m', 'api.cli', *sys.argv[1:]])"
)
"""Tests run in the background inherit that Ctrl-C is ignored; from a terminal it is not."""
CODE = re.compile(r"Mã xác nhận / verification code: (\d{4})")


def toml(settings: Mapping[str, object]) -> str:
    """Write the sections of providers as an operator would."""

    def value(found: object) -> str:
        if isinstance(found, dict):
            return "{" + ", ".join(f"{key} = {value(one)}" for key, one in found.items()) + "}"
        return json.dumps(found, ensure_ascii=False)

    lines = []
    for scheme, sections in settings.items():
        assert isinstance(sections, dict)
        for name, section in sections.items():
            lines += [f"[{scheme}.{name}]", *(f"{k} = {value(v)}" for k, v in section.items())]
    return "\n".join(lines)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with two documents and a home for settings."""
    (tmp_path / "var").mkdir()
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        (tmp_path / name).write_bytes(blank_pdf())
    return tmp_path


def prepared(desk: Path, settings: Mapping[str, object]) -> None:
    (desk / "var" / "providers.toml").write_text(toml(settings), encoding="utf-8")


def asked(operator: Operator) -> Transaction:
    """Wait until the phone rings."""
    deadline = time.monotonic() + PATIENCE
    while not (waiting := operator.waiting(NUMBER)):
        assert time.monotonic() < deadline, "the phone was not asked"
        time.sleep(0.02)
    return waiting[0]


@contextmanager
def phone(answer: Callable[[Transaction], object], world: World) -> Iterator[list[Transaction]]:
    """Somebody at the phone, who answers the first question."""
    seen: list[Transaction] = []

    def hand() -> None:
        seen.append(asked(world.operator))
        answer(seen[0])

    thread = threading.Thread(target=hand)
    thread.start()
    yield seen
    thread.join()


def code_of(done: Done) -> str:
    found = CODE.search(done.stderr)
    assert found is not None, done.stderr
    return found[1]


@pytest.mark.parametrize("algorithm", [KeyAlgorithm.RSA_2048, KeyAlgorithm.P_256])
@pytest.mark.parametrize("how", ["asynchClientServer", "synch", "mobile-id"])
def test_a_pdf_is_signed_while_the_command_waits_for_the_phone(
    world: World, desk: Path, how: str, algorithm: KeyAlgorithm
) -> None:
    provider = "mid" if how == "mobile-id" else "viettel"
    world.overrides = {} if provider == "mid" else {"messaging": how}
    prepared(desk, world.settings())
    world.key(provider, NUMBER, algorithm=algorithm)
    with phone(lambda question: world.operator.enter_pin(question.id, "1234"), world) as seen:
        done = antin("sign", "a.pdf", "out.pdf", "--key", f"sim:{provider}/{NUMBER}", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert code_of(done) in (seen[0].asked.code or seen[0].asked.text)
    assert pdfsig(desk / "out.pdf").valid == 1


ENDINGS = {
    "0401": "Ask the signer why",
    "0208": "phone at hand",
    "0209": "has reception",
    "0402": "PIN unblocked",
    "0403": "the certificate may have to be revoked",
    "0425": "was the SIM replaced",
    "0900": "Try again later",
    "0503": "does not belong to this key",
}


@pytest.mark.parametrize("provider", ["viettel", "mid"])
def test_every_other_ending_is_told_and_leaves_no_file(
    world: World, desk: Path, provider: str
) -> None:
    prepared(desk, world.settings())
    before = sorted(desk.iterdir())
    endings = dict(ENDINGS)
    if provider == "mid":
        endings |= {"0402": "", "0425": ""}  # REST has no words of their own for these
    for digits, advice in endings.items():
        number = f"+8491234{digits}"
        world.key(provider, number)
        done = antin("sign", "a.pdf", "out.pdf", "--key", f"sim:{provider}/{number}", cwd=desk)
        assert done.returncode == 1, digits
        assert advice in done.stderr, (digits, done.stderr)
        assert sorted(desk.iterdir()) == before
    signs = "+84912340500"
    world.key(provider, signs)
    done = antin("sign", "a.pdf", "out.pdf", "--key", f"sim:{provider}/{signs}", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert pdfsig(desk / "out.pdf").valid == 1


def test_one_pin_signs_several_files_and_a_broken_one_stops_nobody(
    world: World, desk: Path
) -> None:
    prepared(desk, world.settings())
    world.key("viettel", NUMBER)
    (desk / "no.pdf").write_text("no PDF")
    files = ["a.pdf", "no.pdf", "b.pdf", "c.pdf"]
    with phone(lambda question: world.operator.enter_pin(question.id, "1234"), world) as seen:
        done = antin("sign", *files, "--out-dir", "out", "--key", f"sim:viettel/{NUMBER}", cwd=desk)
    assert done.returncode == 4
    assert "3 văn bản" in seen[0].asked.text
    assert sorted(path.name for path in (desk / "out").iterdir()) == ["a.pdf", "b.pdf", "c.pdf"]
    assert all(pdfsig(path).valid == 1 for path in (desk / "out").iterdir())


def test_who_refuses_once_is_not_asked_again(world: World, desk: Path) -> None:
    prepared(desk, world.settings())
    world.key("mid", NUMBER)
    files = ["a.pdf", "b.pdf", "c.pdf"]
    with phone(lambda question: world.operator.refuse(question.id), world):
        done = antin("sign", *files, "--out-dir", "out", "--key", f"sim:mid/{NUMBER}", cwd=desk)
    assert done.returncode == 1
    assert "Người ký đã từ chối ký" in done.stderr
    assert len(CODE.findall(done.stderr)) == 1
    assert world.operator.waiting(NUMBER) == []


@pytest.mark.parametrize(
    ("provider", "said"),
    [("mid", "the question was taken back"), ("viettel", "refuse on the phone")],
)
def test_ctrl_c_takes_the_question_back_where_the_provider_can(
    world: World, desk: Path, provider: str, said: str
) -> None:
    prepared(desk, world.settings())
    world.key(provider, NUMBER)
    key = f"sim:{provider}/{NUMBER}"
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, "sign", "a.pdf", "out.pdf", "--key", key],
        cwd=desk,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stderr is not None
        shown = ""
        while "Ctrl-C" not in shown:
            line = command.stderr.readline()
            assert line, shown
            shown += line
        asked(world.operator)
        command.send_signal(signal.SIGINT)
        try:
            _, rest = command.communicate(timeout=PATIENCE)
        finally:
            command.kill()
    assert command.returncode == 130, rest
    assert said in rest
    assert (world.operator.waiting(NUMBER) == []) is (provider == "mid")
    assert not (desk / "out.pdf").exists()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_signing_service_signs_from_the_command_line(
    cloud: Cloud, desk: Path, version: str
) -> None:
    prepared(desk, cloud.settings(version=version))
    files = ["a.pdf", "b.pdf"]
    done = antin("sign", *files, "--out-dir", "out", "--key", cloud.address, cwd=desk)
    assert done.returncode == 0, done.stderr
    assert CODE.search(done.stderr) is None, "nobody is waited for"
    assert all(pdfsig(desk / "out" / name).valid == 1 for name in files)
    assert cloud.stub.calls.count("signatures/signHash") == 1


def test_the_most_talkative_log_of_the_command_has_no_secret(
    cloud: Cloud, desk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prepared(desk, cloud.settings())
    wrong = desk / "wrong"
    wrong.write_text("91827364")
    caplog.set_level(logging.DEBUG)
    said = ""
    for address in (cloud.address, f"csc:cloud/cred-1?pin-source=file:{wrong}"):
        done = antin("sign", "a.pdf", "out.pdf", "--key", address, cwd=desk)
        said += done.stdout + done.stderr
    assert "Check the credentials" in said
    said += caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "signatures/signHash" in said, "the log is a full one"
    for secret in (PIN, "91827364", TOKEN, '"SAD"'):
        assert secret not in said


def test_a_confirmation_at_a_service_is_waited_for(cloud: Cloud, desk: Path) -> None:
    prepared(desk, cloud.settings(version="v2", mode="confirm"))
    cloud.stub.confirming = True

    def confirm() -> None:
        while "credentials/authorizeCheck" not in cloud.stub.calls:
            time.sleep(0.02)
        cloud.stub.confirm()

    thread = threading.Thread(target=confirm)
    thread.start()
    done = antin("sign", "a.pdf", "out.pdf", "--key", cloud.address, cwd=desk)
    thread.join()
    assert done.returncode == 0, done.stderr
    assert len(code_of(done)) == 4
    assert pdfsig(desk / "out.pdf").valid == 1


def test_a_dry_run_rings_nobodys_phone(world: World, desk: Path) -> None:
    prepared(desk, world.settings())
    world.key("viettel", NUMBER)
    done = antin("sign", "a.pdf", "--dry-run", "--json", "--key", f"sim:viettel/{NUMBER}", cwd=desk)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["would_sign"]
    assert world.operator.waiting(NUMBER) == []


def test_a_provider_that_is_not_set_up_is_said_so(desk: Path) -> None:
    done = antin("sign", "a.pdf", "out.pdf", "--key", f"sim:viettel/{NUMBER}", cwd=desk)
    assert done.returncode == 1
    assert "providers.toml" in done.stderr
