"""`antin devices`: tokens and SIMs, and their custody."""

import uuid
from typing import Annotated

import typer

from api.commands.installation import installation, operator
from api.commands.output import AsJson, show
from api.schemas.devices import DeviceOut
from api.schemas.people import CustodyOut
from ca import certificate_search, custody, devices, revoke
from ca.certificate_search import SearchFilters
from ca.custody import CustodyNote
from ca.devices import DeviceDetails, DeviceFilters
from ca.models import CertificateStatus, DeviceKind, DeviceState

group = typer.Typer(no_args_is_help=True, help="USB tokens and SIMs, and who holds them.")
Serial = Annotated[str, typer.Argument(help="The serial number printed on the device.")]
Minutes = Annotated[str | None, typer.Option(help="Number of the minutes (biên bản).")]


@group.command("list")
def list_(
    state: DeviceState | None = None,
    kind: DeviceKind | None = None,
    limit: Annotated[int, typer.Option(min=1, max=certificate_search.MAX_PAGE)] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """List devices, newest first."""
    with installation() as wiring, wiring.sessions() as session:
        found = devices.listing(session, filters=DeviceFilters(state, kind), limit=limit)
        rows = [DeviceOut.of(row).model_dump(mode="json") for row in found]
    show(rows, as_json=as_json)


@group.command("add")
def add(
    serial_number: str,
    kind: DeviceKind = DeviceKind.USB_TOKEN,
    msisdn: Annotated[str | None, typer.Option(help="Phone number, as +84…")] = None,
    iccid: str | None = None,
    mobile_operator: str | None = None,
) -> None:
    """Take a device into stock."""
    details = DeviceDetails(kind, serial_number, msisdn, iccid, mobile_operator)
    with installation() as wiring, wiring.sessions.begin() as session:
        row = devices.register(session, details=details, at=wiring.clock(), actor=operator())
    typer.echo(str(row.id))


@group.command("hand-over")
def hand_over(
    serial_number: Serial,
    subscriber_id: Annotated[uuid.UUID, typer.Argument(help="Id of the person who gets it.")],
    minutes: Annotated[str, typer.Option(help="Number of the minutes (biên bản).")],
) -> None:
    """Hand a device over by minutes."""
    with installation() as wiring, wiring.sessions.begin() as session:
        row = devices.by_serial_number(session, serial_number)
        devices.hand_over(
            session,
            row.id,
            subscriber_id=subscriber_id,
            at=wiring.clock(),
            actor=operator(),
            note=CustodyNote(minutes=minutes),
        )
    typer.echo(f"handed over {serial_number}")


@group.command("set")
def set_(
    serial_number: Serial,
    state: DeviceState,
    minutes: Minutes = None,
    note: Annotated[str | None, typer.Option(help="What happened.")] = None,
    *,
    suspend: Annotated[bool, typer.Option(help="Also suspend what is in force on it.")] = False,
) -> None:
    """Note that a device is returned, lost, locked, unlocked, broken or destroyed."""
    with installation() as wiring, wiring.sessions.begin() as session:
        row = devices.by_serial_number(session, serial_number)
        at, who = wiring.clock(), operator()
        devices.move(
            session, row.id, state=state, at=at, actor=who, note=CustodyNote(minutes, note=note)
        )
        if suspend:
            filters = SearchFilters(device_serial=serial_number, status=CertificateStatus.ACTIVE)
            found = certificate_search.search(
                session, filters=filters, limit=certificate_search.MAX_PAGE
            )
            for certificate in found.items:
                revoke.suspend(
                    session, certificate_id=certificate.id, keys=wiring.keys, at=at, actor=who
                )
    typer.echo(f"{serial_number} is {state.value}")


@group.command("history")
def history(serial_number: Serial, *, as_json: AsJson = False) -> None:
    """Show the custody of a device, the latest step first."""
    with installation() as wiring, wiring.sessions() as session:
        row = devices.by_serial_number(session, serial_number)
        found = [CustodyOut.of(one) for one in custody.history(session, row.id)]
    show([one.model_dump(mode="json") for one in found], as_json=as_json)
