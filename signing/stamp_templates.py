"""An installation's own stamp templates: one file of data each, used by their names like presets.

They are put there over REST, as JSON, or by an administrator's hand, as JSON or TOML; both are held
to the same rules (`pdf.templates`). Processes read them at each use, so a change holds at once.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from db import audit
from pdf.errors import TemplateInvalid
from pdf.presets import Preset
from pdf.templates import MAX_TEMPLATE_BYTES, read_entries, template_from
from signing.errors import TemplateNotFound

MOST: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KINDS: Final = (".json", ".toml")


class StampTemplates:
    """The templates in one folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def entries(self, name: str) -> dict[str, object] | None:
        """Give the entries of a template, fit for JSON; None where there is none of that name.

        Raises TemplateInvalid for a file that breaks a rule.
        """
        for path in self._paths(name):
            found = _read(path)
            if found is not None:
                return found
        return None

    def listed(self) -> list[Preset]:
        """List the templates by name; a file that breaks a rule is left out."""
        found = []
        for path in sorted(self._files())[:MOST]:
            try:
                entries = self.entries(path.stem)
            except TemplateInvalid:
                continue
            if entries is not None:
                found.append(template_from(entries))
        return found

    def put(self, session: Session, name: str, data: bytes, *, at: datetime, actor: str) -> Preset:
        """Store a template under its name, in the place of an earlier one.

        Raises TemplateInvalid.
        """
        entries = read_entries(data)
        preset = template_from(entries)
        if preset.name != name:
            raise TemplateInvalid("name", f"{name} is expected, as in the address")
        kept = json.dumps(_plain(entries), ensure_ascii=False, indent=1).encode()
        before = self.entries(name) if self._exists(name) else None
        if before is None and sum(1 for _ in self._files()) >= MOST:
            raise TemplateInvalid("template", f"there are {MOST} already")
        details = {"before": before, "after": _plain(entries)}
        _record(session, "stamp_template.stored", name, details, at=at, actor=actor)
        session.flush()
        self._remove(name)
        self._write(name, kept)
        return preset

    def remove(self, session: Session, name: str, *, at: datetime, actor: str) -> None:
        """Take a template away; raises TemplateNotFound."""
        if not self._exists(name):
            raise TemplateNotFound(f"there is no stamp template {name!r}")
        _record(session, "stamp_template.removed", name, {"before": None}, at=at, actor=actor)
        session.flush()
        self._remove(name)

    def _files(self) -> Iterator[Path]:
        return (path for path in self._directory.glob("*.*") if path.suffix in _KINDS)

    def _paths(self, name: str) -> list[Path]:
        if not _NAME.fullmatch(name):
            return []
        return [self._directory / f"{name}{kind}" for kind in _KINDS]

    def _exists(self, name: str) -> bool:
        return any(path.exists() for path in self._paths(name))

    def _remove(self, name: str) -> None:
        for path in self._paths(name):
            path.unlink(missing_ok=True)

    def _write(self, name: str, data: bytes) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(self._directory / f"{name}.json")


def _read(path: Path) -> dict[str, object] | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEMPLATE_BYTES + 1)
    except FileNotFoundError:
        return None
    entries = _plain(read_entries(data))
    if template_from(entries).name != path.stem:
        raise TemplateInvalid("name", f"{path.stem} is expected, as the file is called")
    return entries


def _plain(entries: dict[str, object]) -> dict[str, object]:
    """Give the entries as JSON has them; TOML knows dates."""
    return {
        key: value.isoformat() if isinstance(value, date) else value
        for key, value in entries.items()
    }


def _record(
    session: Session,
    action: str,
    name: str,
    details: dict[str, dict[str, object] | None],
    *,
    at: datetime,
    actor: str,
) -> None:
    audit.record(
        session,
        at=at,
        actor=actor,
        action=action,
        object_type="stamp_template",
        object_id=name,
        before=details.get("before"),
        after=details.get("after"),
    )
