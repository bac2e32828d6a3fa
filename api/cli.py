"""The command `antin`: puts the commands of `api/commands/` together.

`antin sign` and `antin verify` need no server and no database. Everything else works on the
installation that the ANTIN_ variables name. Errors are one line and what to do, on standard error.
"""

from __future__ import annotations

import sys

import typer

from api.commands import registry, serving
from api.commands.demo import demo
from api.commands.output import complain, log
from api.commands.sign import sign
from api.commands.verify import verify

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Ấn Tín: digital signatures and certificates for public administrations.",
)
app.command()(serving.serve)
app.command()(serving.worker)
app.command()(serving.migrate)
app.command()(demo)
app.command()(sign)
app.command()(verify)
for name, group in registry.GROUPS.items():
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; whatever happens, the answer is text and an exit code."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 -- the outermost door: nobody is to see a traceback
        log.debug("unexpected", exc_info=error)
        complain(
            f"something failed that should not: {type(error).__name__}",
            "Repeat it with ANTIN_LOG_LEVEL=debug and give the output to the makers.",
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
