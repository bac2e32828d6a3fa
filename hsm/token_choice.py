"""Which token a key URI means: every attribute it names must agree (RFC 7512 2.3), on one token."""

from collections.abc import Sequence
from pathlib import Path

import pkcs11

from hsm.errors import SeveralTokensMatch, TokenNotFound
from hsm.key_uri import KeyURI
from hsm.login import serial_text
from hsm.modules import Module, load


def names_opened(uri: KeyURI, module_path: Path, serial: str, label: str) -> bool:
    """Whether the URI names this opened token by its serial and nothing that is not known here."""
    return (
        uri.serial == serial
        and uri.token in {None, label}
        and uri.module_name is None
        and uri.module_path in {None, str(module_path)}
        and set(uri.attributes) <= {"serial", "token", "object", "type"}
    )


def choose(paths: Sequence[Path], uri: KeyURI) -> tuple[Module, pkcs11.Token]:
    """Find the one present token that has every attribute the URI names."""
    found = [
        (module, token)
        for module in map(load, paths)
        for token in module.tokens()
        if _matches(module, token, uri)
    ]
    if not found:
        raise TokenNotFound("no present token matches the key URI")
    if len(found) > 1:
        raise SeveralTokensMatch(f"{len(found)} present tokens match the key URI")
    return found[0]


def _matches(module: Module, token: pkcs11.Token, uri: KeyURI) -> bool:
    facts = {
        "serial": serial_text(token),
        "token": token.label,
        "manufacturer": token.manufacturer_id,
        "model": token.model,
        "slot-id": str(token.slot.slot_id),
        "slot-description": token.slot.slot_description,
        "slot-manufacturer": token.slot.manufacturer_id,
        **module.facts,
    }
    return all(
        facts.get(name, value) == value
        for name, value in uri.attributes.items()
        if name not in {"object", "type"}
    )
