"""`antin simulate-operator`: an operator of SIM signatures for tests and demonstrations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
import uvicorn

from api.commands.output import told
from api.log import configure
from api.simulator.app import REST_PATH, SOAP_PATH, create_simulator
from api.simulator.operator import SCRIPTED, Operator
from hsm.algorithms import KeyAlgorithm

Phones = Annotated[list[str] | None, typer.Option("--phone", help="A number, such as +84912345678")]


def simulate_operator(
    phones: Phones = None,
    *,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8085,
    key: Annotated[KeyAlgorithm, typer.Option(help="Kind of the SIMs' keys")] = (
        KeyAlgorithm.RSA_2048
    ),
    delay: Annotated[float, typer.Option(min=0, help="Seconds that scripted answers take")] = 1.0,
    log_level: Annotated[str, typer.Option()] = "warning",
) -> None:
    """Simulate an operator of SIM signatures: ETSI TS 102 204 and Mobile-ID, with phone pages.

    Keys and phones are in memory and gone at the end. The PIN of every phone is 1234. The last
    four digits of a number may decide the outcome: 0500 signs, 0401 refuses, and so on.
    """
    with told():
        configure(log_level)
        operator = Operator(lambda: datetime.now(UTC), delay=timedelta(seconds=delay))
        for number in phones or ():
            operator.add_phone(number, algorithm=key)
        _announce(f"http://{host}:{port}")
        uvicorn.run(create_simulator(operator), host=host, port=port, log_config=None)


def _announce(base: str) -> None:
    typer.echo(f"simulated phones: {base}/ (PIN 1234)")
    scripts = ", ".join(f"…{digits} {what.name.lower()}" for digits, what in SCRIPTED.items())
    typer.echo(f"numbers that answer by themselves: {scripts}")
    typer.echo(_EXAMPLE.format(base=base, soap=SOAP_PATH, rest=REST_PATH))


_EXAMPLE = """in ANTIN_HOME/providers.toml:
[sim.operator]
protocol = "ets102204"
profile = "vietnam"
url = "{base}{soap}"
ap_id = "http://antin.example"
ap_password = "file:/path/to/a/file"

[sim.mid]
protocol = "mobile-id"
url = "{base}{rest}"
relying_party_uuid = "file:/path/to/a/file"
relying_party_name = "antin"
can_cancel = true
"""
