"""A whole installation as one folder, and back: database, keys, tokens, secrets, documents.

The database is dumped first, the files are copied after it. So every key and every document that a
row speaks of is in the copy, because both are there before their rows; what is newer than the dump
is only more. The manifest has the SHA-256 of every file, and nothing is restored unless all of them
are right. A backup holds the secrets of the installation: keep it like the keys themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from api import first_run
from api.errors import BackupUnusable, NotEmpty
from ca.models import Authority, Certificate
from db import audit, dump
from db.session import create_engine, session_factory
from hsm.key_uri import KeyScheme, KeyURI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session, sessionmaker

    from api.settings import Settings

FORMAT: Final = "antin-backup-1"
MANIFEST: Final = "manifest.json"
DATABASE: Final = "database.dump"
FILES: Final = "home"
LEFT_OUT: Final = frozenset({"postgres", "spool", "counters", "crl-indexes", "keys.lock"})
"""Of the home: what the dump holds, what belongs to running processes, what is made anew."""
_CHUNK: Final = 1024 * 1024
_READ_WRITE: Final = 0o600


@dataclass(frozen=True, slots=True)
class Copied:
    """What a backup or a restore moved."""

    files: int
    size: int


def backup(settings: Settings, target: Path, *, at: datetime, actor: str) -> Copied:
    """Write everything to `target`, which is new or empty; the server may run meanwhile."""
    if target.exists() and any(target.iterdir()):
        raise NotEmpty(f"{target} holds something already")
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.chmod(0o700)
    with first_run.database(settings) as url:
        with _sessions(url) as sessions, sessions.begin() as session:
            _note(session, "installation.backup", settings, at=at, actor=actor)
        _private(target / DATABASE)
        dump.dump(url, target / DATABASE)
    files = [_entry(DATABASE, target / DATABASE)]
    for source in _sources(settings.home):
        name = f"{FILES}/{source.relative_to(settings.home).as_posix()}"
        if _copy(source, target / name):
            files.append(_entry(name, target / name))
    manifest = {
        "format": FORMAT,
        "made_at": at.isoformat(),
        "home": str(settings.home),
        "files": files,
    }
    _private(target / MANIFEST).write_text(json.dumps(manifest, indent=1))
    _flush(target / MANIFEST)
    return Copied(len(files), sum(int(entry["size"]) for entry in files))


def restore(settings: Settings, source: Path, *, at: datetime, actor: str) -> Copied:
    """Bring an installation back into an empty home, and an empty database where that is external.

    Raises BackupUnusable before anything is written, NotEmpty, DumpFailed.
    """
    if settings.home.exists() and any(settings.home.iterdir()):
        raise NotEmpty(f"{settings.home} holds an installation, or something else")
    manifest = _manifest(source)
    checked = [_checked(source, entry) for entry in manifest["files"]]
    if DATABASE not in checked:
        raise BackupUnusable("the dump of the database is missing")
    with first_run.database(settings) as url, _sessions(url) as sessions:
        with sessions() as session:
            if not dump.is_empty(session):
                raise NotEmpty("the database has tables already")
        for name in checked:
            if name != DATABASE:
                _copy(source / name, settings.home / PurePosixPath(name).relative_to(FILES))
        dump.restore(url, source / DATABASE)
        with sessions.begin() as session:
            _moved_keys(session, Path(str(manifest["home"])), settings.home)
            _note(session, "installation.restore", settings, at=at, actor=actor)
    return Copied(len(checked), sum(int(entry["size"]) for entry in manifest["files"]))


def _note(session: Session, action: str, settings: Settings, *, at: datetime, actor: str) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="installation",
        object_id=str(settings.home),
    )


@contextmanager
def _sessions(url: str) -> Iterator[sessionmaker[Session]]:
    engine = create_engine(url, pool_size=1)
    try:
        yield session_factory(engine)
    finally:
        engine.dispose()


def _sources(home: Path) -> Iterator[Path]:
    for entry in sorted(home.iterdir()):
        if entry.name in LEFT_OUT or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from sorted(p for p in entry.rglob("*") if p.is_file() and not p.is_symlink())
        elif entry.is_file():
            yield entry


def _copy(source: Path, target: Path) -> bool:
    """Copy one file for its owner's eyes only; returns whether it was still there."""
    _make_folder(target.parent)
    try:
        with source.open("rb") as reading:
            with _private(target).open("wb") as writing:
                while chunk := reading.read(_CHUNK):
                    writing.write(chunk)
            _flush(target)
    except FileNotFoundError:
        return False  # a document whose time was over
    return True


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, each for its owner only."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def _private(path: Path) -> Path:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _READ_WRITE))
    return path


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entry(name: str, path: Path) -> dict[str, str | int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": name, "size": path.stat().st_size, "sha256": digest}


def _manifest(source: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text())
        known = manifest["format"] == FORMAT and isinstance(manifest["files"], list)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackupUnusable(f"{source} has no manifest that can be read") from error
    if not known:
        raise BackupUnusable("the backup is of another format")
    return manifest


def _checked(source: Path, entry: dict[str, Any]) -> str:
    """Return the name of a file of the backup that is as it was written."""
    try:
        name, size, sha256 = str(entry["name"]), entry["size"], entry["sha256"]
    except (KeyError, TypeError) as error:
        raise BackupUnusable("an entry of the manifest cannot be read") from error
    parts = PurePosixPath(name)
    inside = name == DATABASE or (parts.parts[:1] == (FILES,) and ".." not in parts.parts)
    if parts.is_absolute() or not inside or (source / name).is_symlink():
        raise BackupUnusable(f"the manifest names {name!r}, which lies elsewhere")
    try:
        found = _entry(name, source / name)
    except OSError as error:
        raise BackupUnusable(f"{name} is missing or cannot be read") from error
    if found["size"] != size or found["sha256"] != sha256:
        raise BackupUnusable(f"{name} is not as it was written")
    return name


def _moved_keys(session: Session, old: Path, new: Path) -> None:
    """Let the addresses of key files point into the new home; tokens find theirs by serial."""
    if old == new:
        return
    rows: list[Authority | Certificate] = [
        *session.scalars(select(Authority).where(Authority.key_uri.startswith("soft:"))),
        *session.scalars(select(Certificate).where(Certificate.key_uri.startswith("soft:"))),
    ]
    for row in rows:
        uri = KeyURI.parse(row.key_uri or "")
        if uri.scheme is KeyScheme.SOFT and Path(uri.location).is_relative_to(old):
            place = new / Path(uri.location).relative_to(old)
            row.key_uri = str(KeyURI.for_file(place, pin_source=uri.pin_source))
