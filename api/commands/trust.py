"""`antin trust`: what paths may end at beside our own root."""

import uuid
from pathlib import Path
from typing import Annotated

import typer

from api import trusted_list_work
from api.commands.installation import installation, operator
from api.commands.output import AsJson, show
from api.errors import ParameterInvalid
from api.schemas.administration import TrustAnchorOut
from api.schemas.trusted_lists import TrustedListOut
from ca import trust, trusted_lists
from ca.trusted_list import MAX_LIST_BYTES

group = typer.Typer(no_args_is_help=True, help="Trusted CAs and trusted lists.")


@group.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the added anchors; our own root is always trusted and not listed."""
    with installation() as wiring, wiring.sessions() as session:
        found = [TrustAnchorOut.of(row) for row in trust.list_anchors(session)]
    show([one.model_dump(mode="json") for one in found], as_json=as_json)


@group.command("lists")
def lists(*, as_json: AsJson = False) -> None:
    """List the trusted lists, and whether they are in force."""
    with installation() as wiring, wiring.sessions() as session:
        at = wiring.clock()
        found = [TrustedListOut.of(row, at=at) for row in trusted_lists.list_lists(session)]
    show([one.model_dump(mode="json") for one in found], as_json=as_json)


@group.command("import-list")
def import_list(
    file: Annotated[Path, typer.Argument(help="XML of ETSI TS 119 612.")],
    *,
    signer: Annotated[Path, typer.Option(help="Certificate of the list's signer, PEM or DER.")],
    as_json: AsJson = False,
) -> None:
    """Trust what a list says of services, from now on and for their past.

    A newer list of the same scheme takes the place of the old one.
    """
    with installation() as wiring:
        data, certificate = _read(file), _read(signer)
        with wiring.sessions.begin() as session:
            at = wiring.clock()
            row = trusted_lists.import_list(
                session, data, signer=certificate, at=at, actor=operator()
            )
            shown = TrustedListOut.of(row, at=at).model_dump(mode="json")
    show([shown], as_json=as_json)


@group.command("fetch-lists")
def fetch_lists(*, as_json: AsJson = False) -> None:
    """Fetch the lists that trusted-lists.toml names, as the server does every three hours."""
    with installation() as wiring:
        found = trusted_list_work.fetch_now(wiring)
    rows = [
        {
            "territory": one.address.territory,
            "address": one.address.url,
            "fetched": one.fetched.value,
            "detail": one.detail,
        }
        for one in found
    ]
    show(rows, as_json=as_json)


@group.command("remove-list")
def remove_list(list_id: Annotated[uuid.UUID, typer.Argument(help="As `lists` shows it.")]) -> None:
    """Trust a list no more."""
    with installation() as wiring, wiring.sessions.begin() as session:
        trusted_lists.remove_list(session, list_id, at=wiring.clock(), actor=operator())


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise ParameterInvalid(str(file), error.strerror or "cannot be read") from error
