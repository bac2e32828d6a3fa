"""`antin sign` and `antin verify` as a user meets them: exit codes, one line, never a traceback."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from api.cli import application, overview
from api.commands.verify import exit_code
from api.commands.verify_pool import Task, verify_all
from signing.judging import OwnAnchors
from tests.api.office import empty_pdf

ROOT = Path(__file__).parents[2]
PIN = "mật khẩu thử"


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code and what it said."""

    returncode: int
    stdout: str
    stderr: str


def antin(*arguments: str | Path, cwd: Path) -> Done:
    """Run a command in this process, as if typed in that folder."""
    with contextlib.chdir(cwd):
        typed = [str(argument) for argument in arguments]
        done = CliRunner().invoke(application(), typed, env={"ANTIN_LANG": "en"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)


def antin_process(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, in a process of its own."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("ANTIN_")}
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *map(str, arguments)],
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signer's PKCS#12, the root, and some documents."""
    folder = tmp_path_factory.mktemp("desk")
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in "12")
    root = issued("Gốc thử", root_key, None, None)
    own = issued("Trần Văn Ký", key, root, root_key)
    bundle = pkcs12.serialize_key_and_certificates(
        b"", key, own, [root], BestAvailableEncryption(PIN.encode())
    )
    (folder / "signer.p12").write_bytes(bundle)
    (folder / "pin").write_text(PIN + "\n")
    (folder / "wrong-pin").write_text("sai")
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "plain.pdf").write_bytes(empty_pdf())
    (folder / "photo.pdf").write_bytes(b"\xff\xd8\xff\xe0 not a PDF")
    made = antin(
        "sign", "plain.pdf", "signed.pdf", *key_of(folder), "--stamp", "standard", cwd=folder
    )
    assert (made.returncode, made.stderr) == (0, "")
    return folder


def key_of(folder: Path, pin: str = "pin") -> list[str]:
    return ["--key", f"soft:{folder}/signer.p12?pin-source=file:{folder}/{pin}"]


def issued(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey | None,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    usage = {
        "digital_signature": issuer is not None,
        "content_commitment": issuer is not None,
        "key_cert_sign": issuer is None,
        "crl_sign": issuer is None,
    }
    others = (
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, **dict.fromkeys(others, False)), critical=True)
        .sign(issuer_key or key, hashes.SHA256())
    )


def test_a_signed_file_is_reported_on_in_json_with_its_signer(desk: Path) -> None:
    done = antin(
        "verify", "signed.pdf", "--trust", "root.pem", "--offline", "--format", "json", cwd=desk
    )
    report = json.loads(done.stdout)
    (signature,) = report["signatures"]
    assert signature["signer"]["common_name"] == "Trần Văn Ký"
    assert signature["integrity"]["coverage"] == "WHOLE_FILE"
    # The certificate names nobody who could say whether it is revoked: not accepted blindly.
    assert report["indication"] == "TOTAL_PASSED"
    assert [one["code"] for one in report["decision"]["reasons"]] == ["STATUS_NOT_CHECKED"]
    assert done.returncode == 0


def test_one_flipped_byte_fails(desk: Path) -> None:
    content = bytearray((desk / "signed.pdf").read_bytes())
    content[20] ^= 1
    (desk / "flipped.pdf").write_bytes(content)
    done = antin("verify", "flipped.pdf", "--trust", "root.pem", "--offline", cwd=desk)
    assert done.returncode == 1
    assert "HASH_FAILURE" in done.stdout


@pytest.mark.parametrize(
    ("file", "code", "word"), [("plain.pdf", 3, "NO_SIGNATURE"), ("photo.pdf", 4, "NOT_A_PDF")]
)
def test_a_file_without_a_verdict_has_its_own_exit_code(
    desk: Path, file: str, code: int, word: str
) -> None:
    done = antin("verify", file, cwd=desk)
    assert done.returncode == code
    assert word in done.stdout


def test_many_files_keep_their_order_and_the_worst_counts(desk: Path) -> None:
    files = ["plain.pdf", "photo.pdf", "signed.pdf", "plain.pdf"]
    done = antin("verify", *files, "--offline", "--format", "json", cwd=desk)
    assert [report["file"] for report in json.loads(done.stdout)] == files
    assert done.returncode == 2


def test_a_folder_is_verified_with_the_folders_in_it(desk: Path) -> None:
    inner = desk / "incoming" / "monday"
    inner.mkdir(parents=True)
    for name in ("incoming/b.pdf", "incoming/monday/c.PDF", "incoming/a.txt"):
        shutil.copy(desk / "plain.pdf", desk / name)
    done = antin("verify", "incoming", "--offline", "--format", "json", cwd=desk)
    assert [report["file"] for report in json.loads(done.stdout)] == ["b.pdf", "c.PDF"]
    (desk / "empty").mkdir()
    nothing = antin("verify", "empty", cwd=desk)
    assert nothing.returncode == 2
    assert "no .pdf" in nothing.stdout + nothing.stderr


@pytest.mark.parametrize(
    ("indications", "code"),
    [
        (["TOTAL_PASSED"], 0),
        (["TOTAL_PASSED", "TOTAL_FAILED", "INDETERMINATE"], 1),
        (["TOTAL_PASSED", "INDETERMINATE", "NO_SIGNATURE"], 2),
        (["TOTAL_PASSED", "NO_SIGNATURE"], 3),
        (["NOT_A_PDF", "NO_SIGNATURE"], 4),
    ],
)
def test_exit_codes_follow_the_worst_verdict(indications: list[str], code: int) -> None:
    assert exit_code(indications) == code


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["verify", "missing.pdf"], 4, "No such file"),
        (["verify", "plain.pdf", "--trust", "plain.pdf"], 2, "no certificate"),
        (["verify", "plain.pdf", "--at", "yesterday"], 2, "--at"),
        (["verify", "plain.pdf", "--format", "docx"], 2, "--format"),
        (["sign", "photo.pdf", "o.pdf"], 4, "photo.pdf"),
        (["sign", "missing.pdf", "o.pdf"], 1, "missing.pdf"),
        (["sign", "plain.pdf", "o.pdf", "--page", "9", "--stamp", "standard"], 1, "plain.pdf"),
        (["sign", "plain.pdf", "o.pdf", "--level", "B-T"], 2, "--tsa"),
        (["sign", "plain.pdf", "o.pdf", "--level", "B-Q"], 2, "--level"),
        (["sign", "plain.pdf", "o.pdf", "--box", "1,2"], 2, "--box"),
        (["sign", "plain.pdf"], 2, "IN.pdf OUT.pdf"),
        (["sign", "plain.pdf", "o.pdf", "--tsa", "http://127.0.0.1:9/"], 1, "127.0.0.1:9"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_what_to_do(
    desk: Path, arguments: list[str], code: int, said: str
) -> None:
    more = key_of(desk) if arguments[0] == "sign" else []
    done = antin(*arguments, *more, cwd=desk)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not (desk / "o.pdf").exists()
    assert [path.name for path in desk.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("soft:{desk}/signer.p12?pin-source=file:{desk}/wrong-pin", "passphrase"),
        ("soft:{desk}/signer.p12", "PIN"),
        ("soft:{desk}/plain.pdf?pin-source=file:{desk}/pin", "key file"),
        ("soft:{desk}/nothing.p12?pin-source=file:{desk}/pin", "nothing.p12"),
        ("soft:{desk}/nothing.p12", "nothing.p12"),
        ("pkcs11:serial=none?pin-source=file:{desk}/pin", "token"),
        ("pkcs11:token=x?pin-value=1234", "pin-value"),
        ("ftp:somewhere", "key URI"),
    ],
)
def test_a_key_that_cannot_be_opened_is_told_without_its_secret(
    desk: Path, uri: str, said: str
) -> None:
    done = antin("sign", "plain.pdf", "o.pdf", "--key", uri.format(desk=desk), cwd=desk)
    assert done.returncode == 1
    assert said in done.stderr
    assert PIN not in done.stderr
    assert "1234" not in done.stderr
    assert "Traceback" not in done.stderr


def test_many_files_are_signed_into_a_folder_and_the_bad_one_is_named(desk: Path) -> None:
    (desk / "second.pdf").write_bytes(empty_pdf(pages=2))
    files = ["plain.pdf", "photo.pdf", "second.pdf"]
    done = antin("sign", *files, "--out-dir", "signed", *key_of(desk), cwd=desk)
    assert done.returncode == 4
    assert "photo.pdf" in done.stderr
    assert sorted(path.name for path in (desk / "signed").iterdir()) == ["plain.pdf", "second.pdf"]


def test_a_worker_that_overruns_or_dies_costs_only_its_own_file(desk: Path) -> None:
    for name in ("slow", "dead"):
        (desk / f"{name}.pdf").write_bytes(empty_pdf())
    now = datetime.now(UTC)
    names = ["slow.pdf", "plain.pdf", "dead.pdf", "signed.pdf"]
    tasks = [Task(desk / name, now, now) for name in names]
    started = time.monotonic()
    hostile = "tests.signing.hostile_worker"
    found = dict(verify_all(tasks, OwnAnchors((), offline=True), timeout=2, worker=hostile))
    assert time.monotonic() - started < 20
    reports = [found[index] for index in range(4)]
    verdicts = [one["indication"] for one in reports if isinstance(one, dict)]
    assert verdicts == ["INDETERMINATE", "NO_SIGNATURE", "INDETERMINATE", "INDETERMINATE"]


def test_help_names_the_exit_codes(desk: Path) -> None:
    for command in ("sign", "verify", "serve", "demo"):
        assert "xit codes" in antin(command, "--help", cwd=desk).stdout


def test_a_process_of_its_own_gives_the_same_verdict_and_no_traceback(desk: Path) -> None:
    done = antin_process("verify", "signed.pdf", "--offline", cwd=desk)
    assert (done.returncode, done.stderr) == (2, "")
    assert "Trần Văn Ký" in done.stdout
    (desk / "home").write_text("in the way of a folder")
    blocked = subprocess.run(
        [sys.executable, "-m", "api.cli", "audit", "verify"],
        cwd=desk,
        env=os.environ | {"PYTHONPATH": str(ROOT), "ANTIN_HOME": str(desk / "home")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert blocked.returncode == 1
    assert blocked.stderr.startswith("antin: ")
    assert "Traceback" not in blocked.stderr


HEAVY = (
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "psycopg",
    "pyhanko",
    "httpx",
    "pypdfium2",
)
RUN = f"""
import sys
from api.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def test_signing_and_verifying_on_a_pc_load_nothing_of_a_server(desk: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pdf"
    for arguments in (
        ["sign", desk / "plain.pdf", out, *key_of(desk), "--stamp", "standard"],
        ["verify", out, "--trust", desk / "root.pem", "--offline"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", RUN, *map(str, arguments)],
            capture_output=True, text=True, cwd=ROOT, check=False,
        )  # fmt: skip
        assert done.returncode in {0, 1}, done.stderr
        assert done.stderr.splitlines()[-1] == "", done.stderr
    assert out.exists()


def test_the_overview_says_of_each_command_what_the_command_says() -> None:
    short, whole = (get_command(made) for made in (overview(), application()))
    assert isinstance(short, TyperGroup)
    assert isinstance(whole, TyperGroup)
    said = {name: command.help for name, command in short.commands.items()}
    assert said == {
        name: (command.help or "").partition("\n")[0] for name, command in whole.commands.items()
    }
