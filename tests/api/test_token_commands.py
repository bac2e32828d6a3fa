"""`antin tokens`: from a blank token to a certificate on it, and PINs that never show."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from api.cli import application
from ca import csr, custody, devices
from ca.devices import DeviceDetails
from ca.models import DeviceKind
from ca.profiles import KeyRules
from hsm.key_uri import KeyURI
from hsm.providers import KeyStore
from hsm.softhsm import SoftHSMToken
from tests.ca.openssl import openssl
from tests.hsm.certificates import self_signed

pytestmark = pytest.mark.token
Run = Callable[..., Result]


@pytest.fixture
def run(softhsm_token: SoftHSMToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("ANTIN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANTIN_PKCS11_MODULE", str(softhsm_token.module))
    runner = CliRunner()

    def tokens(*arguments: object) -> Result:
        return runner.invoke(application("tokens"), ["tokens", *map(str, arguments)])

    return tokens


def test_a_key_is_made_certified_and_listed_by_commands(
    run: Run, softhsm_token: SoftHSMToken, tmp_path: Path
) -> None:
    pin = f"file:{softhsm_token.pin_file}"
    listed = json.loads(run("list", "--json").stdout)
    (token,) = [row for row in listed if row["serial"] == softhsm_token.serial]
    assert (token["pin"], token["pin_pad"], token["login"]) == ("good", False, "held")

    made = run(
        *("keygen", token["serial"], "--label", "Khóa ký", "--algorithm", "p-256", "--pin", pin),
        "--json",
    )
    uri = KeyURI.parse(json.loads(made.stdout)["uri"])
    agency = "Ban Quản lý dự án đầu tư xây dựng các công trình tỉnh Bình Phước"  # 86 octets
    assert run("csr", uri, "--name", agency + "x").exit_code == 1
    request = tmp_path / "request.pem"
    assert run("csr", uri, "--name", agency, "--out", request).exit_code == 0
    seen = openssl(
        *("req", "-in", request, "-verify", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus")
    )
    assert (seen.returncode, seen.stdout) == (0, f"subject=CN={agency}\n")
    assert csr.parse(request.read_bytes(), rules=KeyRules()).public_key

    with KeyStore(modules=[softhsm_token.module]) as store:
        certificate = self_signed(store.open(uri), name="Nguyễn Văn A")
    file = tmp_path / "a.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    assert run("write-certificate", uri, file).exit_code == 0

    objects = json.loads(run("objects", token["serial"], "--pin", pin, "--json").stdout)
    assert [row["kind"] for row in objects] == ["cert", "private", "public"]
    assert objects[0]["subject"] == "CN=Nguyễn Văn A"
    assert "Khóa ký" in run("objects", token["serial"], "--pin", pin).stdout


def test_pins_are_changed_and_unlocked_from_files_and_variables(
    run: Run, softhsm_token: SoftHSMToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = tmp_path / "new"
    new.write_text("13572468\n")
    monkeypatch.setenv("OLD_PIN", softhsm_token.pin_file.read_text().strip())
    serial = softhsm_token.serial

    assert (
        run("change-pin", serial, "--pin", "env:OLD_PIN", "--new-pin", f"file:{new}").exit_code == 0
    )
    assert run("objects", serial, "--pin", "env:OLD_PIN").exit_code == 1
    assert run("objects", serial, "--pin", f"file:{new}").exit_code == 0
    so_pin = f"file:{softhsm_token.so_pin_file}"
    assert run("unlock", serial, "--so-pin", so_pin, "--new-pin", "env:OLD_PIN").exit_code == 0
    assert run("objects", serial, "--pin", "env:OLD_PIN").exit_code == 0


@pytest.mark.parametrize("option", ["--pin", "--new-pin"])
def test_a_pin_given_itself_is_refused_and_not_repeated(
    option: str, run: Run, softhsm_token: SoftHSMToken
) -> None:
    done = run("change-pin", softhsm_token.serial, option, "24681357")

    assert done.exit_code == 2
    assert "24681357" not in done.output


def test_nobody_to_ask_and_no_source_is_said_so(run: Run, softhsm_token: SoftHSMToken) -> None:
    done = run("objects", softhsm_token.serial)

    assert done.exit_code == 1
    assert "PIN" in done.output


def test_a_wrong_pin_says_what_is_left(
    run: Run, softhsm_token: SoftHSMToken, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("99887766")

    done = run("objects", softhsm_token.serial, "--pin", f"file:{wrong}")

    assert done.exit_code == 1
    assert "refused the PIN" in done.output
    assert "Check the PIN" in done.output
    assert "99887766" not in done.output


def test_the_register_of_devices_learns_what_is_done_to_a_pin(
    run: Run,
    softhsm_token: SoftHSMToken,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    sessions: sessionmaker[Session],
) -> None:
    new = tmp_path / "new"
    new.write_text("13572468\n")
    serial, at = softhsm_token.serial, datetime(2026, 3, 2, tzinfo=UTC)
    details = DeviceDetails(DeviceKind.USB_TOKEN, serial.upper())
    with sessions.begin() as session:
        device = devices.register(session, details=details, at=at, actor="test")
    pins = ("--pin", f"file:{softhsm_token.pin_file}", "--new-pin", f"file:{new}")
    monkeypatch.setenv("ANTIN_DATABASE_URL", database_url)
    changed = run("change-pin", serial, *pins)
    assert changed.exit_code == 0
    assert f"device {serial} is in_stock" in changed.stdout
    again = ("--so-pin", f"file:{softhsm_token.so_pin_file}", "--new-pin", f"file:{new}")
    assert run("unlock", serial, *again).exit_code == 0
    with sessions() as session:
        written = custody.history(session, device.id)
    assert [one.note for one in written] == ["Đã mở khóa, đặt lại PIN", "Đã đổi PIN"]
    assert all(one.actor.startswith("operator:") for one in written)
    assert new.read_text().strip() not in changed.output

    monkeypatch.setenv("ANTIN_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    unrecorded = run("unlock", serial, *again)
    assert unrecorded.exit_code == 0
    assert "not in the register of devices" in unrecorded.output
