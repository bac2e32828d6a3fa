"""The command line as its users meet it: usage errors in both languages, help in theirs.

Usage errors are like all others of the command line: one line, and below it what to do. Help is in
Vietnamese where the environment asks for it; texts that have no translation stay English.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from api.commands.output import complain
from api.settings import prefers_vietnamese

if TYPE_CHECKING:
    from collections.abc import Iterator


class AntinGroup(TyperGroup):
    """The group of all commands."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 -- typer's own, passed on
        """Run; a usage error is told, and ends with its exit code."""
        alone = extra.get("standalone_mode", True)
        extra["standalone_mode"] = False
        if not alone:
            return super().main(*args, **extra)
        try:
            code = super().main(*args, **extra)
        except typer.TyperException as error:
            tell(error)
            sys.exit(error.exit_code)
        except typer.Abort:
            complain("stopped", "Nothing more was done. / Đã dừng, không thực hiện thêm gì.")
            sys.exit(1)
        sys.exit(code if isinstance(code, int) else 0)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 -- typer's own classes
        """Find a command; its help will be in the reader's language."""
        found = super().get_command(ctx, cmd_name)
        if found is not None and prefers_vietnamese():
            _help_in_vietnamese(found)
        return found

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- typer's own classes
        """Write the overview, in the reader's language."""
        if not prefers_vietnamese():
            super().format_help(ctx, formatter)
            return
        translate(self, self.get_help_option(ctx))
        with _vietnamese_frame():
            super().format_help(ctx, formatter)


def _help_in_vietnamese(command: Any) -> None:  # noqa: ANN401 -- typer's own class of commands
    """Have a command translate its texts when it is asked for help, and not before."""
    plain = command.format_help

    def shown(ctx: object, formatter: object) -> None:
        translate(command, command.get_help_option(ctx))
        with _vietnamese_frame():
            plain(ctx, formatter)

    command.format_help = shown
    for below in getattr(command, "commands", {}).values():
        _help_in_vietnamese(below)


@contextmanager
def _vietnamese_frame() -> Iterator[None]:
    """Put the words around texts of help into Vietnamese while help is written."""
    from typer import rich_utils  # noqa: PLC0415 -- loaded for help only

    words = _words()["frame"]
    before = {name: getattr(rich_utils, name) for name in words}
    for name, text in words.items():
        setattr(rich_utils, name, text)
    try:
        yield
    finally:
        for name, text in before.items():
            setattr(rich_utils, name, text)


def tell(error: typer.TyperException) -> None:
    """Say what is wrong with what was typed; a command typed alone shows its help."""
    message = error.format_message()
    context = getattr(error, "ctx", None)
    if context is None or "Usage:" in message or not message:
        show = getattr(error, "show", None)
        if show is not None:
            show()
        return
    see = f"{context.command_path} --help"
    complain(message, f"{usage_in_vietnamese(message)} Xem / see: {see}".strip())


def translate(command: Any, *others: Any) -> None:  # noqa: ANN401 -- typer's own classes
    """Put a command's texts, and those of the commands below it, into Vietnamese."""
    command.help = in_vietnamese(command.help)
    for parameter in (*command.params, *others):
        text = getattr(parameter, "help", None)
        if text:
            parameter.help = in_vietnamese(text)
    for below in getattr(command, "commands", {}).values():
        translate(below)


def in_vietnamese(text: str | None) -> str | None:
    """Give a help text in Vietnamese; as it is where it has no translation."""
    return text if text is None else _helps().get(" ".join(text.split()), text)


def usage_in_vietnamese(message: str) -> str:
    """Give a usage error in Vietnamese; empty where it has no translation."""
    line = " ".join(message.split())
    for pattern, words in _usages():
        found = pattern.fullmatch(line)
        if found:
            return found.expand(words)
    return ""


@cache
def _words() -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 -- for help and usage errors only
    from importlib import resources  # noqa: PLC0415 -- likewise

    text = resources.files(__package__).joinpath("vietnamese.toml").read_text("utf-8")
    return tomllib.loads(text)


def _helps() -> dict[str, str]:
    helps: dict[str, str] = _words()["help"]
    return helps


@cache
def _usages() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(one["en"]), one["vi"]) for one in _words()["usage"])
