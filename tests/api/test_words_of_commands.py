"""The command line in its users' words: usage errors, help, what it refuses to do silently."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from typer.main import get_command
from typer.testing import CliRunner, Result

from api.cli import COMMANDS, application
from api.commands.group import in_vietnamese, usage_in_vietnamese
from api.settings import prefers_vietnamese
from pdf.presets import PRESETS
from pdf.statement import Commitment
from tests.api.office import empty_pdf
from tests.pdf.signing_kit import person

FOR_EVERYONE = ("sign", "verify", "extend")


def run(*arguments: str | Path, language: str = "en") -> Result:
    found = CliRunner().invoke(
        application(), [str(one) for one in arguments], env={"ANTIN_LANG": language}
    )
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("officer")
    who = person()
    (folder / "key.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"officer", who.key, who.certificate, None, BestAvailableEncryption(b"1234")
        )
    )
    (folder / "pin").write_text("1234")
    return f"soft:{folder}/key.p12?pin-source=file:{folder}/pin"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "công văn.pdf"
    path.write_bytes(empty_pdf())
    return path


@pytest.mark.parametrize(
    ("typed", "english", "vietnamese"),
    [
        (["sign"], "Missing argument", "Thiếu đối số"),
        (["sign", "a.pdf", "b.pdf"], "Missing option '--key'", "Thiếu tùy chọn '--key'"),
        (["sign", "--leve", "x"], "No such option: --leve", "Không có tùy chọn --leve"),
        (["ca", "shw"], "No such command 'shw'", "Không có lệnh 'shw'"),
        (["shw"], "No such command 'shw'", "Không có lệnh 'shw'"),
        (["verify", "a.pdf", "--timeout", "x"], "'--timeout'", "'--timeout' phải là số"),
        (["verify", "a.pdf", "--language", "x"], "'--language'", "'x' không thuộc: 'vi', 'en'"),
        (
            ["sign", "a", "b", "--key", "c", "--level", "B-T"],
            "B-T needs a time-stamp server",
            "Mức B-T cần máy chủ cấp dấu thời gian",
        ),
    ],
)
def test_a_usage_error_is_one_line_and_says_the_same_in_vietnamese(
    typed: list[str], english: str, vietnamese: str
) -> None:
    done = run(*typed)
    assert done.exit_code == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("antin: ")
    assert english in first
    assert vietnamese in second
    assert second.endswith("--help")
    assert done.stdout == ""


def test_a_group_typed_alone_shows_its_commands() -> None:
    done = run("ca")
    assert done.exit_code == 2
    assert "alarms" in done.output


def texts(command: Any) -> Iterator[str]:  # noqa: ANN401 -- typer's own class
    for one in (command, *command.params):
        if getattr(one, "help", None):
            yield one.help
    for below in getattr(command, "commands", {}).values():
        yield from texts(below)


@pytest.mark.parametrize("name", FOR_EVERYONE)
def test_every_text_of_the_commands_for_everyone_is_there_in_vietnamese(name: str) -> None:
    command = get_command(application(name)).commands[name]  # type: ignore[attr-defined]
    english = [one for one in texts(command) if in_vietnamese(one) == one]
    assert english == []


def test_every_command_is_summed_up_in_vietnamese() -> None:
    assert [said for _, said in COMMANDS.values() if in_vietnamese(said) == said] == []


def test_help_is_in_the_language_that_the_environment_asks_for() -> None:
    assert "Mã thoát: 0 đã ký" in run("sign", "--help", language="vi").stdout
    assert "Exit codes: 0 signed" in " ".join(run("sign", "--help").stdout.split())
    overview = run("--help", language="vi").stdout
    assert "Show this message" not in overview
    assert "Tùy chọn" in overview
    assert "Tùy chọn" not in run("--help").stdout
    assert "chữ ký số và chứng thư số cho cơ quan" in overview
    assert "Nhật ký kiểm toán" in overview


@pytest.mark.parametrize(
    ("environment", "vietnamese"),
    [
        ({"LANG": "vi_VN.UTF-8"}, True),
        ({"LANG": "vi_VN.UTF-8", "LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "ANTIN_LANG": "vi"}, True),
        ({"LANG": "vi_VN.UTF-8", "ANTIN_LANG": "en"}, False),
        ({}, False),
    ],
)
def test_the_language_is_antins_own_variable_or_the_locale(
    environment: dict[str, str], *, vietnamese: bool
) -> None:
    assert prefers_vietnamese(environment) is vietnamese


def test_a_usage_error_nobody_translated_is_told_in_english_only() -> None:
    assert usage_in_vietnamese("Something unheard of.") == ""


def test_help_names_the_presets_and_the_commitments() -> None:
    shown = re.sub(r"[│\s]+", "", run("sign", "--help").stdout)
    for name in (*PRESETS, *Commitment):
        assert name in shown


@pytest.mark.parametrize("typed", ["{file} {file}", "{file} --out-dir {folder}"])
def test_sign_does_not_put_its_output_in_the_place_of_its_input(
    letter: Path, key: str, typed: str
) -> None:
    before = letter.read_bytes()
    names = [one.format(file=letter, folder=letter.parent) for one in typed.split(" ")]
    done = run("sign", *names, "--key", key)
    assert done.exit_code == 2
    assert "--in-place" in done.stderr
    assert letter.read_bytes() == before


def test_sign_replaces_its_input_when_asked(letter: Path, key: str) -> None:
    before = letter.read_bytes()
    assert run("sign", letter, letter, "--in-place", "--key", key).exit_code == 0
    assert letter.read_bytes().startswith(before)
    assert len(letter.read_bytes()) > len(before)


def test_a_commitment_and_a_policy_stand_in_the_signature(
    letter: Path, key: str, tmp_path: Path
) -> None:
    rules = tmp_path / "quy-che.txt"
    rules.write_text("Quy chế ký số")
    out = tmp_path / "ra.pdf"
    done = run(
        *("sign", letter, out, "--key", key, "--commitment", "proof-of-approval"),
        *("--signature-policy", "1.2.3.4", "--policy-digest", rules, "--policy-uri", "http://a.vn"),
    )
    assert done.exit_code == 0, done.stderr
    found = re.search(rb"/Contents\s*<([0-9a-fA-F]+)>", out.read_bytes())
    assert found is not None
    container = bytes.fromhex(found[1].decode())
    assert Commitment.APPROVAL.identifier in container
    assert hashlib.sha256(rules.read_bytes()).digest() in container
    assert b"http://a.vn" in container


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--commitment", "love"], "--commitment"),
        (["--signature-policy", "1.2.3"], "--policy-digest"),
        (["--policy-uri", "http://a.vn"], "--signature-policy"),
        (["--signature-policy", "1.2.3", "--policy-digest", "sha256:xy"], "--policy-digest"),
    ],
)
def test_a_statement_that_is_not_whole_is_refused_before_anything_is_signed(
    letter: Path, tmp_path: Path, options: list[str], named: str
) -> None:
    done = run("sign", letter, tmp_path / "ra.pdf", "--key", "soft:/nowhere.p12", *options)
    assert done.exit_code == 2
    assert named in done.stderr
    assert not (tmp_path / "ra.pdf").exists()
