"""`antin sign --detached`: any files, once each, and nothing that belongs to a PDF."""

import json
from pathlib import Path

import pytest
from asn1crypto import cms

from tests.api.test_command_line import antin, desk, key_of

__all__ = ["desk"]


def test_an_interrupted_run_goes_on_and_signs_nothing_twice(desk: Path, tmp_path: Path) -> None:
    files = ["a.csv", "b.xlsx", "c.bin"]
    for name in files:
        (tmp_path / name).write_bytes(name.encode() * 1000)

    def run(*names: str) -> dict[str, bytes]:
        command = ("sign", *names, "--out-dir", "out", "--detached", *key_of(desk))
        done = antin(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    first = run(*files[:2])
    (tmp_path / "out" / "b.xlsx.p7s").write_bytes(first["b.xlsx.p7s"][:300])  # cut short
    (tmp_path / "a.csv").write_bytes(b"a new version")
    second = run(*files)
    assert sorted(second) == ["a.csv.p7s", "b.xlsx.p7s", "c.bin.p7s"]
    assert second["a.csv.p7s"] != first["a.csv.p7s"]
    assert len(second["b.xlsx.p7s"]) > 300
    assert run(*files) == second


def test_verify_finds_the_file_that_a_signature_is_named_after(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "bảng.xlsx").write_bytes(b"PK" * 900)
    command = ("sign", "bảng.xlsx", "bảng.xlsx.p7s", "--detached", *key_of(desk))
    assert antin(*command, cwd=tmp_path).returncode == 0

    def judged(*named: str) -> tuple[str, object]:
        done = antin("verify", *named, "--offline", "--format", "json", cwd=tmp_path)
        told = json.loads(done.stdout)
        (report,) = told if isinstance(told, list) else [told]
        return report["file"], report["signatures"][0]["sub_indication"]

    for named in ("bảng.xlsx.p7s", "."):
        file, word = judged(named)
        assert (file, word == "SIGNED_DATA_NOT_FOUND") == ("bảng.xlsx", False)
    (tmp_path / "bảng.xlsx").write_bytes(b"PK" * 901)
    assert judged("bảng.xlsx.p7s")[1] == "HASH_FAILURE"
    (tmp_path / "bảng.xlsx").unlink()
    assert judged("bảng.xlsx.p7s") == ("bảng.xlsx.p7s", "SIGNED_DATA_NOT_FOUND")


@pytest.mark.parametrize(
    "option",
    [
        ("--stamp", "standard"),
        ("--page", "1"),
        ("--box", "1,2,30,40"),
        ("--corner", "top-right"),
        ("--field", "A"),
        ("--reason", "duyệt"),
        ("--password", "x"),
        ("--agency-copy",),
        ("--dry-run",),
    ],
    ids=" ".join,
)
def test_what_belongs_to_a_pdf_does_not_go_with_it(
    desk: Path, tmp_path: Path, option: tuple[str, ...]
) -> None:
    (tmp_path / "a.csv").write_bytes(b"1;2")
    done = antin("sign", "a.csv", "a.p7s", "--detached", *option, *key_of(desk), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "--detached" in done.stderr
    assert not (tmp_path / "a.p7s").exists()


def test_a_commitment_is_stated_beside_a_file_too(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"1;2")
    command = ("sign", "a.csv", "a.p7s", "--detached", "--commitment", "proof-of-approval")
    assert antin(*command, *key_of(desk), cwd=tmp_path).returncode == 0
    made = cms.ContentInfo.load((tmp_path / "a.p7s").read_bytes())["content"]
    stated = {each["type"].dotted for each in made["signer_infos"][0]["signed_attrs"]}
    assert "1.2.840.113549.1.9.16.2.16" in stated
