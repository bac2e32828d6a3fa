"""One other user may pass; nobody else gains anything."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from db.traversal import let_everyone_read, let_user_pass

FRIEND, STRANGER = 64_001, 64_002

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


def can(uid: int, command: str, path: Path) -> bool:
    done = subprocess.run(
        ["sh", "-c", f'{command} "$0"', str(path)],
        user=uid,
        group=uid,
        extra_groups=[],
        cwd="/",
        check=False,
        capture_output=True,
    )
    return done.returncode == 0


@pytest.fixture
def private(tmp_path: Path) -> Path:
    inner = tmp_path / "private" / "inner"
    inner.mkdir(parents=True)
    (inner / "public.txt").write_text("for all")
    (inner / "public.txt").chmod(0o644)
    inner.chmod(0o700)
    inner.parent.chmod(0o700)
    return inner


@as_root
def test_the_user_passes_but_cannot_look_around_and_a_stranger_does_neither(private: Path) -> None:
    assert not can(FRIEND, "cat", private / "public.txt")
    let_user_pass(private, uid=FRIEND)
    let_user_pass(private, uid=FRIEND)
    assert can(FRIEND, "cat", private / "public.txt")
    assert not can(FRIEND, "ls", private)
    assert not can(FRIEND, "touch", private / "new")
    assert not can(STRANGER, "cat", private / "public.txt")


@as_root
def test_rights_given_before_stay(private: Path) -> None:
    let_user_pass(private, uid=STRANGER)
    private.chmod(0o750)
    let_user_pass(private, uid=FRIEND)
    assert can(STRANGER, "cat", private / "public.txt")
    assert can(FRIEND, "cat", private / "public.txt")
    assert stat.S_IMODE(private.stat().st_mode) & 0o707 == 0o700


@as_root
def test_without_access_lists_the_directory_becomes_passable_not_readable(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError("Operation not supported")

    monkeypatch.setattr(os, "setxattr", unsupported)
    let_user_pass(private, uid=FRIEND)
    assert stat.S_IMODE(private.stat().st_mode) == 0o701
    assert can(FRIEND, "cat", private / "public.txt")
    assert not can(FRIEND, "ls", private)


def test_programs_become_readable_and_stay_programs(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o700)
    for name, mode in (("program", 0o700), ("data", 0o600)):
        (folder / name).write_text("")
        (folder / name).chmod(mode)
    let_everyone_read(folder)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.iterdir())}
    assert modes == {"bin": 0o705, "program": 0o705, "data": 0o604}
