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

from api.commands.group import AntinGroup
from api.commands.output import complain
from api.errors import SettingsInvalid
from api.settings import from_environment

COMMANDS: Final = {
    "serve": (
        "api.commands.serving:serve",
        "Serve until stopped: database, tables and authorities are brought up first.",
    ),
    "worker": (
        "api.commands.serving:worker",
        "Run one more job worker beside a server, on this machine or another.",
    ),
    "migrate": (
        "api.commands.serving:migrate",
        "Bring the tables to this version; may be run at any time, also twice at once.",
    ),
    "demo": (
        "api.commands.demo:demo",
        "Issue a certificate, sign a PDF, verify, revoke, verify again.",
    ),
    "sign": (
        "api.commands.sign:sign",
        (
            "Sign PDF files, or any file with --detached, with a key on a token, a phone, "
            "or in a file."
        ),
    ),
    "verify": (
        "api.commands.verify:verify",
        (
            "Verify the signatures of PDF files, of files signed with CMS (.p7s), "
            "and of .edxml messages."
        ),
    ),
    "simulate-operator": (
        "api.commands.simulate_operator:simulate_operator",
        "Simulate an operator of SIM signatures: ETSI TS 102 204 and Mobile-ID, with phone pages.",
    ),
    "extend": (
        "api.commands.extend:extend",
        "Add time-stamps and validation evidence behind a signed PDF.",
    ),
    "ca": ("api.commands.publication:ca_group", "The authorities of this installation."),
    "certificates": ("api.commands.certificates:group", "Certificates and their status."),
    "issuers": ("api.commands.imports:issuers_group", "Issuers elsewhere, and what they say."),
    "devices": ("api.commands.devices:group", "USB tokens and SIMs, and who holds them."),
    "organizations": ("api.commands.registry:organizations_group", "The tree of organisations."),
    "tokens": ("api.commands.tokens:group", "PKCS#11 tokens: keys, certificates and PINs."),
    "trust": ("api.commands.trust:group", "Trusted CAs and trusted lists."),
    "api-tokens": ("api.commands.registry:tokens_group", "API tokens."),
    "report": ("api.commands.registry:report_group", "Reports as of any date."),
    "audit": ("api.commands.audit:group", "The audit log."),
    "backup": (
        "api.commands.backup:backup",
        "Write database, keys, tokens, secrets and documents to a new folder; the server may run.",
    ),
    "restore": (
        "api.commands.backup:restore",
        "Bring a backup back into an empty ANTIN_HOME (and an empty external database).",
    ),
}
"""Where each command is, and the first line of its help, for the overview that loads none."""
HELP: Final = """Ấn Tín: digital signatures and certificates for public administrations.

Exit codes: 0 done; 1 refused or failed; 2 wrong usage; sign, verify and extend have their own.
"""


def application(asked: str | None = None) -> typer.Typer:
    """Return the command line with every command, or with only the one that is asked for."""
    app = _empty()
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def overview() -> typer.Typer:
    """Return a command line that can say which commands there are, and run none."""
    app = _empty()
    for name, (_, summary) in COMMANDS.items():
        app.command(name, help=summary)(_no_command)
    return app


def _empty() -> typer.Typer:
    app = typer.Typer(
        cls=AntinGroup,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help=HELP,
    )
    app.callback()(_no_command)
    return app


def main() -> None:
    """Run the command line; whatever happens, the answer is text and an exit code."""
    try:
        asked = sys.argv[1] if len(sys.argv) > 1 else None
        shown = overview() if asked in {None, "--help"} else application(asked)
        shown(prog_name="antin")
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
