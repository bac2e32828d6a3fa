"""The embedded server: who owns it, who may enter, and what it survives."""

import contextlib
import json
import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.errors import DirectoryUnusable, EmbeddedPostgresError, ServerFailed
from db.file_lock import FileLock

REPOSITORY = Path(__file__).parents[2]
QUICK = {"fsync": "off"}
KEEP = "DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 42 AS answer"


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="antin-test-") as directory:
        yield Path(directory) / "postgres"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Stand in for pytest's own, which every session closes to other users anew."""
    with tempfile.TemporaryDirectory(prefix="antin-test-") as directory:
        yield Path(directory)


@pytest.fixture
def home(shared: Path) -> Iterator[Path]:
    """A directory whose server is stopped; whatever runs in it afterwards is stopped, too."""
    yield shared
    if (shared / "data").exists():
        with server(shared):
            pass


def server(directory: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(directory, settings=QUICK)


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone()[0] if cursor.description else None  # type: ignore[index]


def postmaster(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().split()[0])


def is_up(url: str) -> bool:
    try:
        return query(url, "SELECT 1") == 1
    except psycopg.OperationalError:
        return False


_CHILD = """
import sys, pathlib
from db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]), settings={"fsync": "off"})
print(server.start(), server.owned, flush=True)
sys.stdin.read()
server.stop()
"""


def another_process(directory: Path, **options: object) -> "subprocess.Popen[str]":
    """Start, or join, the server in a process that stops it when its input ends."""
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-c", _CHILD, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        **options,
    )


def told(process: "subprocess.Popen[str]") -> tuple[str, bool]:
    assert process.stdout is not None
    url, owned = process.stdout.readline().split()
    return url, owned == "True"


def test_a_second_start_finds_the_data_of_the_first(home: Path) -> None:
    with server(home) as running:
        assert running.owned
        query(running.url, KEEP)
        url = running.url
    assert not is_up(url)
    assert not (home / "data" / "postmaster.pid").exists()
    with server(home) as running:
        assert running.url == url
        assert query(running.url, "SELECT answer FROM kept") == 42


def test_the_service_is_no_superuser_and_text_is_vietnamese(home: Path) -> None:
    with server(home) as running:
        assert query(running.url, "SELECT current_user") == "antin"
        assert query(running.url, "SELECT rolsuper FROM pg_roles WHERE rolname='antin'") is False
        assert query(running.url, "SHOW server_encoding") == "UTF8"
        assert query(running.url, "SELECT lower('ỦY BAN NHÂN DÂN ĐỒNG THÁP')") == (
            "ủy ban nhân dân đồng tháp"
        )
        assert query(running.superuser_url, "SHOW data_checksums") == "on"
        assert query(running.superuser_url, "SHOW fsync") == "off"


def test_nothing_listens_beyond_the_socket_and_nobody_enters_without_the_password(
    home: Path,
) -> None:
    with server(home) as running:
        assert query(running.url, "SHOW listen_addresses") == ""
        password = running.url.split(":")[2].split("@")[0]
        for role in ("antin", "postgres"):
            wrong = running.url.replace(f"antin:{password}", f"{role}:wrong")
            with pytest.raises(psycopg.OperationalError, match="password"):
                query(wrong, "SELECT 1")
        assert stat.S_IMODE((home / "access.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "socket").stat().st_mode) == 0o700
        assert not home.stat().st_mode & stat.S_IRWXO
        assert not list(home.glob("*password*"))
        assert password not in "".join(p.name for p in home.rglob("*"))


def test_another_process_joins_the_running_server_and_cannot_stop_it(home: Path) -> None:
    with server(home) as running:
        with another_process(home) as guest:
            assert told(guest) == (running.url, False)
            assert guest.stdin is not None
            guest.stdin.close()
            assert guest.wait(timeout=20) == 0
        assert is_up(running.url)
        second = server(home)
        assert second.start() == running.url
        second.stop()
        assert is_up(running.url)


def test_two_first_starts_at_once_make_one_server(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    with another_process(home) as one, another_process(home) as two:
        (url, first), (same, second) = told(one), told(two)
        assert url == same
        assert sorted([first, second]) == [False, True]
        assert is_up(url)
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.close()
    assert not is_up(url)


def test_a_server_whose_owner_was_killed_lives_on_and_is_adopted(home: Path) -> None:
    with another_process(home) as owner:
        url, owned = told(owner)
        assert owned
        owner.kill()
    assert is_up(url)
    pid = postmaster(home)
    with server(home) as adopted:
        assert adopted.owned
        assert postmaster(home) == pid
    assert not is_up(url)


def test_a_killed_server_comes_back_with_what_was_committed(home: Path) -> None:
    with server(home) as running:
        query(running.url, KEEP)
        # The session of a dead server holds on to its memory until it notices.
        with contextlib.closing(psycopg.connect(running.url)):
            os.kill(postmaster(home), signal.SIGKILL)
            assert (home / "data" / "postmaster.pid").exists()
            running.start()
        assert running.owned
        assert query(running.url, "SELECT answer FROM kept") == 42


def test_a_pid_file_that_names_someone_elses_process_does_no_harm(home: Path) -> None:
    with server(home) as running:
        left_behind = (home / "data" / "postmaster.pid").read_text()
    rest = left_behind.split("\n", 1)[1]
    (home / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{rest}")
    with server(home) as running:
        assert is_up(running.url)


def test_a_first_start_cut_short_is_begun_again(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    (home / "data.new").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")
    with server(home) as running:
        assert is_up(running.url)
    assert not (home / "data.new").exists()


@pytest.mark.parametrize(
    "name", ["x" * 120, "thư mục, có 'dấu' \"và\" $(cách)"], ids=["too long", "odd letters"]
)
def test_any_directory_will_do(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name / "postgres"
    with server(directory) as running:
        assert is_up(running.url)
        folder = Path(json.loads((directory / "access.json").read_text())["socket_folder"])
        assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= 107
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    with server(directory) as running:
        assert is_up(running.url)
        moved = Path(json.loads((directory / "access.json").read_text())["socket_folder"])
    if folder != directory / "socket":
        assert not folder.exists()
        assert not moved.exists()


def test_a_lost_socket_is_made_anew(home: Path) -> None:
    with server(home) as running:
        for file in (home / "socket").iterdir():
            file.unlink()
        assert not is_up(running.url)
        assert running.start() == running.url
        assert is_up(running.url)


def test_stop_without_start_and_twice_does_nothing(home: Path) -> None:
    running = server(home)
    running.stop()
    with pytest.raises(ServerFailed):
        _ = running.url
    running.start()
    running.stop()
    running.stop()


def test_stopping_ends_open_sessions(home: Path) -> None:
    with server(home) as running, contextlib.closing(psycopg.connect(running.url)) as session:
        running.stop()
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_a_setting_the_server_does_not_know_is_told_in_its_words(home: Path) -> None:
    running = EmbeddedPostgres(home, settings={"no_such_setting": "1"})
    with pytest.raises(ServerFailed, match="no_such_setting"):
        running.start()
    with server(home) as recovered:
        assert is_up(recovered.url)


def test_a_directory_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnusable) as caught:
        server(tmp_path / "file" / "postgres").start()
    assert isinstance(caught.value, EmbeddedPostgresError)
    assert "ANTIN_HOME" in caught.value.diagnostics()


def test_lost_passwords_are_told_and_nothing_is_overwritten(tmp_path: Path) -> None:
    home = tmp_path / "postgres"
    with server(home) as running:
        query(running.url, KEEP)
    kept = (home / "access.json").read_text()
    (home / "access.json").unlink()
    with pytest.raises(DirectoryUnusable, match=r"access\.json"):
        server(home).start()
    (home / "access.json").write_text(kept)
    with server(home) as running:
        assert query(running.url, "SELECT answer FROM kept") == 42
    (home / "access.json").write_text(
        kept.replace('"superuser_password": "', '"superuser_password": "x')
    )
    with pytest.raises(ServerFailed, match="password"):
        server(home).start()
    (home / "access.json").write_text(kept)
    with server(home):
        pass


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    mine, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert mine.acquire(timeout=0)
    assert not other.acquire(timeout=0.1)
    waiting = threading.Thread(target=other.acquire, kwargs={"timeout": 10})
    waiting.start()
    time.sleep(0.1)
    mine.release()
    waiting.join()
    assert (mine.held, other.held) == (False, True)
    other.release()
    other.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_it_as_himself(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    directory = tmp_path
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    identity = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    quiet = {**identity, "env": {"PYTHONDONTWRITEBYTECODE": "1"}}
    try:
        subprocess.run(
            [sys.executable, "-c", "import db.embedded"], cwd=REPOSITORY, check=True, **quiet
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("another user cannot reach this Python")
    with another_process(directory / "postgres", **quiet) as process:
        url, owned = told(process)
        assert owned
        assert is_up(url)
        server_process = Path(f"/proc/{postmaster(directory / 'postgres')}")
        assert server_process.stat().st_uid == nobody.pw_uid
        process.communicate()
    assert not is_up(url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as another user")
def test_root_runs_it_as_another_user_without_opening_private_directories(home: Path) -> None:
    home.parent.chmod(0o700)
    with server(home):
        assert Path(f"/proc/{postmaster(home)}").stat().st_uid not in {0, 65534}
        assert not home.parent.stat().st_mode & stat.S_IRWXO
