"""`antin serve`, `antin worker`, `antin migrate`."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import typer

from api import first_run, server
from api import worker as job_worker
from api.commands.output import err, told
from api.log import configure
from api.settings import from_environment
from api.vault import open_vault
from api.wiring import build
from db import schema

if TYPE_CHECKING:
    from api.server import Serving


def serve() -> None:
    """Serve until stopped: database, tables and authorities are brought up first.

    Exit codes: 0 stopped when told to; 1 the start failed, or a part could not be kept running.
    """
    with told():
        settings = from_environment()
        configure(settings.log_level)
        server.serve(settings, ready=_announce)


def worker() -> None:
    """Run one more job worker beside a server, on this machine or another."""
    with told():
        settings = from_environment()
        configure(settings.log_level)
        stop = threading.Event()
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, lambda *_: stop.set())
        with first_run.database(settings) as url:
            wiring = build(settings, url)
            try:
                job_worker.run(wiring, stop=stop)
            finally:
                wiring.close()


def migrate() -> None:
    """Bring the tables to this version; may be run at any time, also twice at once."""
    with told():
        settings = from_environment()
        with first_run.database(settings) as url:
            before = schema.current(url)
            schema.upgrade(url)
            typer.echo(f"{', '.join(before) or 'no tables'} -> {', '.join(schema.current(url))}")


def _announce(serving: Serving) -> None:
    settings, made = serving.settings, serving.set_up
    base = f"http://{settings.host}:{settings.port}"
    typer.echo(f"Ấn Tín serves at {base} (ready after {serving.seconds:.1f} s)")
    note = open_vault(settings).note()
    if note is not None:
        err.print(f"NOTE: {note}")
    if made.first_run:
        typer.echo("first run: database, root and issuing authority were made")
    if made.token is not None:
        typer.echo(f"administrator's token (shown this once): {made.token.reveal_text()}")
    if made.open_certificates or made.open_signatures:
        typer.echo(
            f"left open by a crash: {len(made.open_certificates)} certificates "
            f"(antin certificates open), {len(made.open_signatures)} sign requests"
        )
    if made.named_otherwise:
        err.print(_NAMED_OTHERWISE)
        for name in made.named_otherwise:
            err.print(f"  {name}")
    if made.token is None:
        typer.echo("lost the token? antin api-tokens create --help")
    typer.echo(examples(base, None if made.token is None else made.token.reveal_text()))


def examples(base: str, token: str | None) -> str:
    """Give commands to paste into a shell; without a token they take it from ANTIN_TOKEN."""
    return _EXAMPLES.format(base=base, token="$ANTIN_TOKEN" if token is None else token)


_NAMED_OTHERWISE = (
    "NOTE: the authorities exist already under the names below; ANTIN_AUTHORITY_… counts at the "
    "first run only, and changed nothing\n"
    "  Các cơ quan chứng thực đã được lập với tên dưới đây; ANTIN_AUTHORITY_… chỉ có tác dụng ở "
    "lần chạy đầu và không làm thay đổi gì."
)

_EXAMPLES = """
  curl {base}/readyz
  curl -H "Authorization: Bearer {token}" {base}/api/v1/certificates
  curl -H "Authorization: Bearer {token}" -F file=@document.pdf {base}/api/v1/verify
"""
