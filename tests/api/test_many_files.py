"""Many files at once, some of which are not there; and what a newcomer pastes or tries first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.commands.output import show
from api.commands.serving import examples
from tests.api.office import empty_pdf
from tests.api.test_command_line import ROOT, antin, desk, key_of

__all__ = ["desk"]


def test_a_missing_input_does_not_keep_the_others_from_being_signed(
    desk: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder.pdf").mkdir()
    (tmp_path / "last.pdf").write_bytes(empty_pdf())
    inputs = ["missing.pdf", "folder.pdf", str(desk / "plain.pdf"), "last.pdf"]
    done = antin("sign", *inputs, "--out-dir", "out", *key_of(desk), cwd=tmp_path)
    assert done.returncode == 1
    assert "missing.pdf: No such file" in done.stderr
    assert "folder.pdf: " in done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["last.pdf", "plain.pdf"]


def test_signing_tells_in_json_what_became_of_each_file(desk: Path, tmp_path: Path) -> None:
    options = ["--out-dir", "out", "--json", *key_of(desk)]
    antin("sign", desk / "plain.pdf", *options, cwd=tmp_path)
    (tmp_path / "new.pdf").write_bytes(empty_pdf())
    inputs = [str(desk / "plain.pdf"), "new.pdf", str(desk / "photo.pdf")]
    done = antin("sign", *inputs, *options, cwd=tmp_path)
    assert done.returncode == 4
    told = json.loads(done.stdout)
    assert [each["state"] for each in told] == ["signed_before", "signed", "not_signed"]
    assert [each["output"] for each in told] == ["out/plain.pdf", "out/new.pdf", "out/photo.pdf"]


def test_a_person_at_a_terminal_is_told_that_it_is_signed(desk: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api.cli", "sign", desk / "plain.pdf", "o.pdf", *key_of(desk)]
    reader, terminal = os.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, stderr=terminal, check=False)
    said = os.read(reader, 10_000).decode()
    os.close(reader)
    os.close(terminal)
    assert done.returncode == 0, said
    assert "antin: o.pdf đã ký / signed" in said


def test_a_missing_file_does_not_hide_the_verdicts_on_the_others(
    desk: Path, tmp_path: Path
) -> None:
    done = antin("verify", "missing.pdf", desk / "plain.pdf", cwd=tmp_path)
    assert done.returncode == 4
    assert "missing.pdf: No such file" in done.stderr
    assert "NO_SIGNATURE" in done.stdout
    listed = antin("verify", "missing.pdf", desk / "plain.pdf", "--format", "json", cwd=tmp_path)
    assert [each["indication"] for each in json.loads(listed.stdout)] == ["NO_SIGNATURE"]
    worse = antin("verify", "missing.pdf", desk / "signed.pdf", cwd=tmp_path)
    assert worse.returncode == 2
    assert "INDETERMINATE" in worse.stdout


def test_a_demonstration_on_what_is_no_pdf_starts_no_server(desk: Path, tmp_path: Path) -> None:
    done = antin("demo", desk / "photo.pdf", "--out", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "PDF" in done.stderr
    assert done.stdout == ""
    missing = antin("demo", "missing.pdf", "--out", "out", cwd=tmp_path)
    assert missing.returncode == 1
    assert "missing.pdf" in missing.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_examples_of_a_later_start_take_the_token_from_the_shell() -> None:
    shell = 'curl() { printf "%s\\n" "$@"; }; ANTIN_TOKEN=abc\n'
    for token, sent in ((None, "abc"), ("xyz", "xyz")):
        script = shell + examples("http://127.0.0.1:1", token)
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout.count(f"Authorization: Bearer {sent}\n") == 2


def test_a_table_says_lists_and_records_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    roles = [{"role": "auditor", "organization_id": None}, {"role": "signer"}]
    show([{"id": 1, "roles": roles, "urls": [], "held": False, "end": None}], as_json=False)
    row = capsys.readouterr().out.splitlines()[3]
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "1",
        "auditor, signer",
        "",
        "no",
        "",
    ]
