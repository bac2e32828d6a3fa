"""The command `antin`: puts the commands of `api/commands/` together.

`antin sign`, `antin verify` and `antin extend` need no server and no database. Everything else
works on the installation that the ANTIN_ variables name. Errors are one line and what to do, on
standard error. Only the asked command's module is loaded, so that a small command does not wait for
the large ones.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from importlib import import_module
from typing import Final

import typer

from api.commands.output import complain
from api.errors import SettingsInvalid
from api.settings import from_environment

COMMANDS: Final = {
    "serve": "api.commands.serving:serve",
    "worker": "api.commands.serving:worker",
    "migrate": "api.commands.serving:migrate",
    "demo": "api.commands.demo:demo",
    "sign": "api.commands.sign:sign",
    "verify": "api.commands.verify:verify",
    "simulate-operator": "api.commands.simulate_operator:simulate_operator",
    "extend": "api.commands.extend:extend",
    "ca": "api.commands.publication:ca_group",
    "certificates": "api.commands.certificates:group",
    "issuers": "api.commands.imports:issuers_group",
    "devices": "api.commands.devices:group",
    "organizations": "api.commands.registry:organizations_group",
    "tokens": "api.commands.tokens:group",
    "trust": "api.commands.trust:group",
    "api-tokens": "api.commands.registry:tokens_group",
    "report": "api.commands.registry:report_group",
    "audit": "api.commands.audit:group",
    "backup": "api.commands.backup:backup",
    "restore": "api.commands.backup:restore",
}
HELP: Final = "Ấn Tín: digital signatures and certificates for public administrations."


def application(asked: str | None = None) -> typer.Typer:
    """Return the command line with every command, or with only the one that is asked for."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help=HELP,
    )
    app.callback()(_no_command)
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """Run the command line; whatever happens, the answer is text and an exit code."""
    try:
        application(sys.argv[1] if len(sys.argv) > 1 else None)(prog_name="antin")
    except Exception as error:  # noqa: BLE001 -- the outermost door: nobody is to see a traceback
        with contextlib.suppress(SettingsInvalid):
            if from_environment().log_level == "debug":
                traceback.print_exception(error)
        complain(
            f"something failed that should not: {type(error).__name__}",
            "Repeat it with ANTIN_LOG_LEVEL=debug and give the output to the makers.",
        )
        sys.exit(1)


def _no_command() -> None:
    """Keep the shape `antin COMMAND` also when one command only was loaded."""


if __name__ == "__main__":
    main()
