"""One PostgreSQL cluster on disk: made once, started, found running, stopped.

Nothing here knows who owns the running server; callers hold the locks (`db.embedded`).
"""

import contextlib
import json
import os
import secrets
import shlex
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

from db.errors import DirectoryUnusable, ServerFailed
from db.postgres_programs import PostgresPrograms
from db.traversal import let_user_pass

MAX_SOCKET_PATH: Final = 103
"""Bytes in the path of a Unix socket: 107 on Linux, 103 on macOS (sun_path without its NUL)."""

_SOCKET_NAME: Final = ".s.PGSQL.5432"
_LEFTOVER_TIMEOUT_S: Final = 20
_NOBODY: Final = str(2**31 - 1)  # above every pid a system gives
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # One log file a weekday, overwritten a week later: the log needs no other care.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
}


@dataclass(frozen=True, kw_only=True)
class Access:
    """How the server is reached; kept in `access.json`, readable by its owner only."""

    socket_folder: str
    superuser_password: str
    service_password: str

    def url(self, role: str, *, database: str) -> str:
        """URL of `database` for `role` ("antin" or "postgres")."""
        password = self.superuser_password if role == "postgres" else self.service_password
        return f"postgresql://{role}:{password}@/{database}?host={quote(self.socket_folder)}"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The cluster below `directory`, made by `open` when it is not there yet."""

    directory: Path
    programs: PostgresPrograms
    access: Access
    settings: Mapping[str, str]

    @classmethod
    def open(cls, directory: Path, *, settings: Mapping[str, str]) -> Self:
        """Open the cluster, after making it where there is none."""
        programs = PostgresPrograms.find()
        if programs.user is not None:
            let_user_pass(directory, uid=programs.user.uid)
        access = _read_access(directory / "access.json")
        made = (directory / "data" / "PG_VERSION").exists()
        if access is None and made:
            raise DirectoryUnusable(f"{directory / 'access.json'} is missing: bring it back")
        access = access or _new_access()
        if not made:
            _initialise(directory, programs=programs, access=access)
        placed = _with_socket_folder(access, directory=directory, programs=programs)
        if placed != access:
            _write_private(directory / "access.json", json.dumps(asdict(placed)))
        return cls(directory=directory, programs=programs, access=placed, settings=settings)

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.directory / "data"

    def is_running(self) -> bool:
        """Whether a server of this cluster runs, and not just its pid file lies about."""
        pid = self._recorded_pid()
        return pid is not None and _is_server(pid, data=self.data)

    def is_reachable(self) -> bool:
        """Whether the running server's socket is where others look for it."""
        return self.is_running() and (Path(self.access.socket_folder) / _SOCKET_NAME).exists()

    def start(self) -> None:
        """Start the server and wait until it takes connections; raise ServerFailed otherwise."""
        pid = self._recorded_pid()
        if pid is not None and not _is_server(pid, data=self.data):
            self._disown(pid)
        deadline = time.monotonic() + _LEFTOVER_TIMEOUT_S
        while True:
            try:
                self._start_once()
            except ServerFailed:
                # After kill -9 the last sessions need a moment to notice and let go.
                if "shared memory" not in self._last_words() or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        """End all sessions, write everything to disk, stop; at once when nothing runs."""
        if not self.is_running():
            return
        self._control("stop", "-m", "fast", "-t", "60")
        folder = Path(self.access.socket_folder)
        if folder != self.directory / "socket":
            shutil.rmtree(folder, ignore_errors=True)

    def _disown(self, pid: int) -> None:
        """Make the lock files of a dead server say that it is dead.

        After a reboot its pid may be anyone's, and after a kill a zombie may carry it for long;
        PostgreSQL alone would refuse to start. It still finds out by the rest of the file whether
        sessions of that server linger.
        """
        lock = self.data / "postmaster.pid"
        lines = lock.read_text().splitlines(keepends=True)
        lock.write_text("".join([lines[0].replace(str(pid), _NOBODY), *lines[1:]]))
        for leftover in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):
            (Path(self.access.socket_folder) / leftover).unlink(missing_ok=True)

    def _start_once(self) -> None:
        (self.data / "start.log").unlink(missing_ok=True)
        settings = {
            **_SETTINGS,
            "unix_socket_directories": _quoted(self.access.socket_folder),
            **self.settings,
        }
        options = " ".join(f"-c {shlex.quote(f'{k}={v}')}" for k, v in settings.items())
        try:
            self._control("start", "-t", "120", "-l", "data/start.log", "-o", options)
        except ServerFailed as e:
            raise ServerFailed(f"{e} / {self._last_words()}") from e

    def _control(self, *arguments: str) -> None:
        command = ("pg_ctl", "-D", "data", "-w", *arguments)
        self.programs.run(*command, within=self.directory, timeout=150)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _last_words(self) -> str:
        """Return the ends of what the server wrote before and after it opened its log."""
        logs = sorted((self.data / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
        lines: list[str] = []
        for log in [self.data / "start.log", *logs[-1:]]:
            with contextlib.suppress(OSError):
                lines += log.read_text(errors="replace").splitlines()[-6:]
        return " / ".join(lines)


def _initialise(directory: Path, *, programs: PostgresPrograms, access: Access) -> None:
    """Make the cluster beside its place and move it there whole, so a kill leaves no half one."""
    _write_private(directory / "access.json", json.dumps(asdict(access)))
    new, secret = directory / "data.new", directory / "initial-password"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    programs.own(new)
    _write_private(secret, access.superuser_password + "\n")
    programs.own(secret)
    try:
        programs.run(
            "initdb", "-D", new.name, "-U", "postgres", f"--pwfile={secret.name}",
            "--auth=scram-sha-256", "--encoding=UTF8", *programs.collation, "--data-checksums",
            "--no-instructions",
            within=directory,
        )  # fmt: skip
        new.rename(directory / "data")
    finally:
        secret.unlink(missing_ok=True)


def _new_access() -> Access:
    return Access(
        socket_folder="",
        superuser_password=secrets.token_urlsafe(32),
        service_password=secrets.token_urlsafe(32),
    )


def _with_socket_folder(access: Access, *, directory: Path, programs: PostgresPrograms) -> Access:
    """Give `access` a folder for the socket that exists and is short enough."""
    folder = directory / "socket"
    too_long = len(os.fsencode(folder / _SOCKET_NAME)) > MAX_SOCKET_PATH
    if too_long or "," in str(folder):  # a comma in a URL would separate two servers
        if access.socket_folder and _is_private(Path(access.socket_folder), programs):
            return access
        # A fresh name each time: a name others can foresee could be taken by them first.
        folder = Path(tempfile.mkdtemp(prefix="antin-", dir="/tmp"))
    folder.mkdir(mode=0o700, exist_ok=True)
    programs.own(folder)
    return Access(**{**asdict(access), "socket_folder": str(folder)})


def _is_private(folder: Path, programs: PostgresPrograms) -> bool:
    """Whether `folder` still exists and nobody but the server's user can enter it."""
    try:
        facts = folder.lstat()
    except OSError:
        return False
    owner = os.geteuid() if programs.user is None else programs.user.uid
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == owner and not facts.st_mode & 0o077


def _read_access(path: Path) -> Access | None:
    try:
        return Access(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as e:
        raise DirectoryUnusable(f"{path} cannot be read") from e


def _write_private(path: Path, text: str) -> None:
    """Replace `path` in one step by a file only its owner can read."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as e:
        raise DirectoryUnusable(f"{path} cannot be written") from e


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_server(pid: int, *, data: Path) -> bool:
    """Whether process `pid` is the PostgreSQL server of `data`, as far as the system tells."""
    if not Path("/proc/self/cwd").exists():
        return _exists(pid)
    try:
        # A server works in its data directory all its life; nobody else has a reason to.
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False


def _quoted(folder: str) -> str:
    """Write a folder as a member of a list setting."""
    return '"' + folder.replace('"', '""') + '"'
