"""What `antin sign` says when it has ended: which files were signed, which were before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.commands.output import err, print_json

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Run:
    """What became of the files, by their outputs."""

    worst: int = 0
    signed: set[Path] = field(default_factory=set)
    before: set[Path] = field(default_factory=set)

    def tell(self, pairs: list[tuple[Path, Path]], *, as_json: bool) -> None:
        """Print what was signed: a line for a person at a terminal, or all of it as JSON."""
        if as_json:
            rows = [
                {"file": str(source), "output": str(target), "state": self._state(target)}
                for source, target in pairs
            ]
            print_json(rows if len(rows) > 1 else rows[0])
            return
        if err.is_terminal and self.signed:
            what = f"{len(self.signed)}/{len(pairs)}" if len(pairs) > 1 else pairs[0][1]
            err.print(f"antin: {what} đã ký / signed")
        if self.before:
            err.print(f"antin: {len(self.before)} đã ký từ trước / finished before and left alone")

    def _state(self, target: Path) -> str:
        if target in self.signed:
            return "signed"
        return "signed_before" if target in self.before else "not_signed"


def elsewhere(error: OSError, source: Path) -> str:
    """Name the file that an error is about when it is not the input."""
    named = error.filename
    return f" ({named})" if named is not None and str(named) != str(source) else ""
