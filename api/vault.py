"""Where this installation keeps its private keys: on a SoftHSM token, or in encrypted files.

Decided once, at the first run, and written to `keys.json`: the token that ANTIN_KEY_TOKEN names on
the HSM of ANTIN_PKCS11_MODULE, else a SoftHSM token of our own when that module is there, else
files. PIN sources of our own are written as `home:…`, relative to ANTIN_HOME, so the home can be
moved.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from api.errors import SetUpFailed
from db.file_lock import FileLock
from hsm.errors import PinRequired
from hsm.key_uri import KeyURI
from hsm.modules import declare_thread_safe
from hsm.providers import KeyStore
from hsm.secret import Secret
from hsm.softhsm import ENVIRONMENT_VARIABLE
from hsm.software import generate_key_file, write_private_file
from hsm.tokens import SoftHSMHome, create_softhsm_token, generate_key

if TYPE_CHECKING:
    from api.settings import Settings
    from hsm.algorithms import KeyAlgorithm

TOKEN_LABEL: Final = "antin"  # noqa: S105 -- the name printed on the token
PASSPHRASE_BYTES: Final = 32
LOCK_SECONDS: Final = 120.0


class VaultKind(StrEnum):
    """What holds the keys."""

    TOKEN = "token"  # noqa: S105 -- a kind, not a secret
    FILES = "files"


@dataclass(frozen=True, slots=True)
class Vault:
    """The place of the keys, and how to make more of them there."""

    home: Path
    kind: VaultKind
    module: Path | None = None
    token_uri: KeyURI | None = None
    thread_safe: tuple[Path, ...] = ()

    def key_store(self) -> KeyStore:
        """Return a new key store that finds this vault's PINs."""
        declare_thread_safe(self.thread_safe)
        modules = [self.module] if self.module is not None else []
        return KeyStore(modules=modules, pin_sources={"home": self.secret})

    def make_key(self, keys: KeyStore, *, label: str, algorithm: KeyAlgorithm) -> KeyURI:
        """Make a key and return the URI under which `keys` opens it again."""
        if self.token_uri is not None:
            made = generate_key(keys, self.token_uri, label=label, algorithm=algorithm)
            return self.token_uri.with_key(key_id=made.id, label=label)
        name = f"{label}-{secrets.token_hex(4)}.p8"
        passphrase = self.secret("secrets/keys")
        path = self.home / "keys" / name
        generate_key_file(path, algorithm=algorithm, passphrase=passphrase)
        return KeyURI.for_file(path, pin_source="home:secrets/keys")

    def note(self) -> str | None:
        """Return what an operator has to know about the protection of the keys."""
        if self.kind is VaultKind.TOKEN:
            return None
        return (
            "the keys are in encrypted files (soft:), because no PKCS#11 module was found at the "
            "first run; install SoftHSM2 or connect an HSM before real use"
        )

    def secret(self, relative: str) -> Secret:
        """Read a secret from a file below the home; raises PinRequired."""
        return secret_below(self.home, relative)


def secret_below(home: Path, relative: str) -> Secret:
    """Read a secret from a file below *home*; raises PinRequired."""
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts:
        raise PinRequired("pin-source=home: names a file below ANTIN_HOME")
    try:
        return Secret((home / path).read_bytes().strip())
    except OSError as error:
        raise PinRequired(f"the PIN file {relative} below ANTIN_HOME cannot be read") from error


def open_vault(settings: Settings) -> Vault:
    """Return the vault of this home, made at the first call; safe for several processes at once."""
    lock = FileLock(settings.home / "keys.lock")
    if not lock.acquire(timeout=LOCK_SECONDS):
        raise SetUpFailed("another process has been setting up the keys for too long")
    try:
        described = settings.home / "keys.json"
        if not described.exists():
            made = _make_token(settings) or _make_files(settings)
            write_private_file(described, json.dumps(made, indent=1).encode())
        return _read(settings, described)
    finally:
        lock.release()


def _make_token(settings: Settings) -> dict[str, str] | None:
    if settings.key_token is not None:
        if settings.pkcs11_module is None:
            raise SetUpFailed("ANTIN_KEY_TOKEN names a token, and there is no PKCS#11 module")
        return {"kind": VaultKind.TOKEN.value, "token": str(settings.key_token)}
    if settings.pkcs11_module is None or "softhsm" not in settings.pkcs11_module.name.lower():
        return None
    home = _softhsm(settings, settings.pkcs11_module)
    token = home.find(TOKEN_LABEL) or create_softhsm_token(home, label=TOKEN_LABEL)
    pin = token.pin_file.relative_to(settings.home.resolve())
    uri = KeyURI.for_token(serial=token.serial, label=token.label, pin_source=f"home:{pin}")
    return {"kind": VaultKind.TOKEN.value, "token": str(uri)}


def _make_files(settings: Settings) -> dict[str, str]:
    passphrase = settings.secrets / "keys"
    if not passphrase.exists():
        write_private_file(passphrase, secrets.token_hex(PASSPHRASE_BYTES).encode())
    return {"kind": VaultKind.FILES.value}


def _read(settings: Settings, described: Path) -> Vault:
    try:
        facts = json.loads(described.read_text())
        kind = VaultKind(facts["kind"])
    except (OSError, ValueError, KeyError) as error:
        raise SetUpFailed(f"{described} cannot be read") from error
    if kind is VaultKind.FILES:
        return Vault(settings.home, kind)
    if settings.pkcs11_module is None:
        raise SetUpFailed("the keys are on a token, and its PKCS#11 module is not to be found")
    token = KeyURI.parse(facts["token"])
    if _is_ours(token):
        _softhsm(settings, settings.pkcs11_module)
    return Vault(
        settings.home, kind, settings.pkcs11_module, token, thread_safe=settings.pkcs11_thread_safe
    )


def _is_ours(token: KeyURI) -> bool:
    """Say whether a token is one that this installation made: its PIN is below the home."""
    return (token.pin_source or "").startswith("home:")


def point_to_own_tokens(settings: Settings) -> None:
    """Let SoftHSM find the tokens of this installation, if it has any and nobody named others."""
    conf = settings.home / "softhsm" / "softhsm2.conf"
    if conf.exists():
        os.environ.setdefault(ENVIRONMENT_VARIABLE, str(conf))


def _softhsm(settings: Settings, module: Path) -> SoftHSMHome:
    """Point SoftHSM at this home; the module reads the variable when it is first used."""
    home = SoftHSMHome.prepare(settings.home / "softhsm", module=module)
    home.keep_whole()
    os.environ.update(home.environment)
    return home
