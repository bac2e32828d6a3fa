"""`antin tokens`: what is on PKCS#11 tokens, and the work of the person who hands them out.

A token is named by its serial number or by a `pkcs11:` URI, never by its label or slot. PINs are
asked for at the terminal, or read from a file or a variable that an option names; they are never an
argument, since other accounts of the machine see those. Exit codes: 0 done, 1 refused, 2 wrong
usage. A refused PIN is never tried again.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api.commands.output import AsJson, out, print_json, show, told
from api.errors import ParameterInvalid
from api.settings import from_environment, secret_from_environment
from api.vault import point_to_own_tokens
from ca import names
from ca.certificate_fields import subject_of
from ca.names import MAX_COMMON_NAME
from hsm import pin_changes
from hsm import tokens as key_tokens
from hsm.algorithms import KeyAlgorithm
from hsm.errors import PinIncorrect, PinLocked, PinRequired
from hsm.key_uri import KeyURI
from hsm.modules import declare_thread_safe
from hsm.pin_changes import UnlockWith
from hsm.pins import PinSources
from hsm.providers import KeyStore
from hsm.secret import Secret

group = typer.Typer(no_args_is_help=True, help="PKCS#11 tokens: keys, certificates and PINs.")

Modules = Annotated[
    list[Path] | None, typer.Option("--module", help="PKCS#11 module; ANTIN_PKCS11_MODULE if none.")
]
Token = Annotated[str, typer.Argument(help="Serial number, or a pkcs11: URI.")]
PinSource = Annotated[
    str | None, typer.Option("--pin", help="file:/path or env:NAME; asked for if left out.")
]
Output = Annotated[Path | None, typer.Option("--out", help="Write PEM to this file.")]
_SOURCES: Final = PinSources(named={"env": secret_from_environment})


@group.command("list")
def list_(module: Modules = None, *, as_json: AsJson = False) -> None:
    """List the tokens that are in their slots, without logging in."""
    with told():
        found = key_tokens.list_tokens(_modules(module))
        rows = [
            {
                "serial": token.serial,
                "label": token.label,
                "model": token.model,
                "manufacturer": token.manufacturer,
                "pin": token.pin_state,
                "pin_pad": token.pin_pad,
                "login": token.policy.value,
                "module": str(token.module),
                "uri": str(token.uri),
            }
            for token in found
        ]
        shown = rows if as_json else [_without(row, "manufacturer", "uri") for row in rows]
        show(shown, as_json=as_json, title="tokens")


@group.command()
def objects(
    token: Token, module: Modules = None, pin: PinSource = None, *, as_json: AsJson = False
) -> None:
    """List keys and certificates on a token."""
    with told(), _store(module) as store:
        uri = _uri(token, pin)
        rows: list[dict[str, object]] = []
        for line in key_tokens.list_objects(store, uri):
            row: dict[str, object] = {
                "kind": line.kind,
                "id": line.id.hex(),
                "label": line.label,
                "key_type": line.key_type,
                "subject": _subject(line.certificate),
                "uri": str(uri.with_key(key_id=line.id)) if line.kind == "private" else None,
            }
            rows.append(row)
        show(rows, as_json=as_json, title="objects")


@group.command()
def keygen(  # noqa: PLR0913, PLR0917 -- one parameter for each option of the command
    token: Token,
    label: Annotated[str, typer.Option(help="The key's name on the token.")],
    algorithm: Annotated[KeyAlgorithm, typer.Option()] = KeyAlgorithm.RSA_2048,
    module: Modules = None,
    pin: PinSource = None,
    always_authenticate: Annotated[  # noqa: FBT002 -- a flag of the command line
        bool, typer.Option("--always-authenticate", help="The PIN at every signature.")
    ] = False,
    as_json: AsJson = False,  # noqa: FBT002 -- as above
) -> None:
    """Make a key pair on the token; it cannot leave it. Prints the key's URI."""
    with told(), _store(module) as store:
        uri = key_tokens.generate_key(
            store,
            _uri(token, pin),
            label=label,
            algorithm=algorithm,
            always_authenticate=always_authenticate,
        )
        _say(str(uri), {"uri": str(uri), "algorithm": algorithm.value}, as_json=as_json)


@group.command()
def csr(
    key: Annotated[str, typer.Argument(help="The key's pkcs11: URI.")],
    name: Annotated[str, typer.Option(help="Common name of the holder.")],
    module: Modules = None,
    pin: PinSource = None,
    output: Output = None,
) -> None:
    """Make a certificate request signed on the token (PKCS#10, PEM)."""
    with told(), _store(module) as store:
        if not 0 < len(name) <= MAX_COMMON_NAME:
            raise ParameterInvalid("--name", f"1 to {MAX_COMMON_NAME} characters are expected")
        made = key_tokens.certificate_request(store, _uri(key, pin), common_name=name)
        text = made.public_bytes(Encoding.PEM)
        if output is None:
            typer.echo(text.decode(), nl=False)
        else:
            output.write_bytes(text)


@group.command("write-certificate")
def write_certificate(
    key: Annotated[str, typer.Argument(help="The key's pkcs11: URI.")],
    certificate: Annotated[Path, typer.Argument(help="PEM or DER.")],
    module: Modules = None,
    pin: PinSource = None,
) -> None:
    """Store a certificate beside its key on the token."""
    with told(), _store(module) as store:
        der = _certificate(certificate)
        key_tokens.write_certificate(store, _uri(key, pin), certificate=der)
        out.print("written")


@group.command("change-pin")
def change_pin(
    token: Token,
    module: Modules = None,
    pin: PinSource = None,
    new_pin: Annotated[str | None, typer.Option(help="file:/path or env:NAME.")] = None,
) -> None:
    """Let the holder replace the PIN."""
    with told(), _store(module) as store:
        _all_sources(pin, new_pin)
        old = _secret(pin, "PIN")
        new = _secret(new_pin, "New PIN", twice=True)
        try:
            done = pin_changes.change_pin(store, _uri(token, None), old=old, new=new)
        except (PinIncorrect, PinLocked):
            _note_if_locked(_uri(token, None), module)
            raise
        out.print("changed")
        _note(done.serial, "pin_changed")


@group.command()
def unlock(
    token: Token,
    module: Modules = None,
    so_pin: Annotated[str | None, typer.Option(help="file:/path or env:NAME.")] = None,
    puk: Annotated[str | None, typer.Option(help="file:/path or env:NAME; or 'ask'.")] = None,
    new_pin: Annotated[str | None, typer.Option(help="file:/path or env:NAME.")] = None,
) -> None:
    """Set a new PIN with the SO PIN, or with the PUK of a card (--puk)."""
    with told(), _store(module) as store:
        if puk is not None and so_pin is not None:
            raise typer.BadParameter("give the SO PIN or the PUK, not both")
        _all_sources(so_pin, None if puk == "ask" else puk, new_pin)
        using = UnlockWith.SO_PIN if puk is None else UnlockWith.PUK
        source = so_pin if puk in {None, "ask"} else puk
        authority = _secret(source, "SO PIN" if puk is None else "PUK")
        new = _secret(new_pin, "New PIN", twice=True)
        uri = _uri(token, None)
        done = pin_changes.unlock(store, uri, authority=authority, new=new, using=using)
        out.print("unlocked")
        _note(done.serial, "pin_set_anew")


def _note_if_locked(uri: KeyURI, module: list[Path] | None) -> None:
    """Look whether a refused PIN was the last try, or there was none left."""
    for one in key_tokens.list_tokens(_modules(module)):
        if one.pin_state == "locked" and one.serial == uri.serial:
            _note(one.serial, "pin_locked")


def _note(serial: str, event: str) -> None:
    """Write it down where this account has an installation; a PC of its own has no register."""
    settings = from_environment()
    if settings.database_url is None and not (settings.home / "keys.json").exists():
        return
    from api.commands import token_register  # noqa: PLC0415 -- most commands need no database

    token_register.note(settings, serial, event)


def _modules(given: list[Path] | None) -> list[Path]:
    settings = from_environment()
    point_to_own_tokens(settings)
    declare_thread_safe(settings.pkcs11_thread_safe)
    found = given or ([settings.pkcs11_module] if settings.pkcs11_module else [])
    if not found:
        raise typer.BadParameter("no PKCS#11 module is configured", param_hint="--module")
    return found


def _store(module: list[Path] | None) -> KeyStore:
    return KeyStore(
        modules=_modules(module),
        pin_prompt=lambda _: _asked("PIN"),
        pin_sources={"env": secret_from_environment},
        trust_module_paths=True,
    )


def _uri(text: str, pin: str | None) -> KeyURI:
    uri = KeyURI.parse(text) if ":" in text else KeyURI.for_token(serial=text)
    return uri if pin is None else replace(uri, pin_source=_source(pin))


def _source(text: str) -> str:
    """Check that an option names a place and is not the PIN itself."""
    scheme, _, rest = text.partition(":")
    if scheme not in {"file", "env"} or not rest:
        raise typer.BadParameter("a PIN is named by file:/path or env:NAME, never given itself")
    return text


def _all_sources(*given: str | None) -> None:
    for one in given:
        if one is not None:
            _source(one)


def _secret(source: str | None, what: str, *, twice: bool = False) -> Secret:
    if source is not None:
        holder = KeyURI.for_token(serial="", pin_source=_source(source))
        found = _SOURCES.from_source(holder)
    else:
        found = _asked(what, twice=twice)
    if not found:
        raise PinRequired(f"the {what} is missing")
    return found


def _asked(what: str, *, twice: bool = False) -> Secret | None:
    if not sys.stdin.isatty():
        return None
    return Secret(typer.prompt(what, hide_input=True, confirmation_prompt=twice, err=True))


def _certificate(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        return x509.load_der_x509_certificate(data).public_bytes(Encoding.DER)
    except ValueError as error:
        raise ParameterInvalid(str(path), "no certificate in PEM or DER") from error


def _subject(certificate: bytes | None) -> str | None:
    if certificate is None:
        return None
    try:
        return names.written(subject_of(x509.load_der_x509_certificate(certificate)))
    except ValueError:
        return "(unreadable)"


def _without(row: Mapping[str, object], *hidden: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in hidden}


def _say(text: str, facts: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(facts)
    else:
        typer.echo(text)
