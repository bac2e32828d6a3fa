"""The installation's addresses of trusted lists: `trusted-lists.toml` below ANTIN_HOME.

Without the file nothing is fetched, as it should be in a closed network. It is read at each run, so
a change needs no restart.
"""

from __future__ import annotations

import logging
import tomllib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from api.errors import SettingsInvalid
from ca import trust
from ca.errors import CaError
from ca.guarded_fetch import Fetcher, FetchLimits
from ca.list_fetching import SECONDS, Fetched, ListAddress, Outcome, fetch_lists
from ca.trusted_list import MAX_LIST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from api.wiring import Wiring
    from db.canonical import Json
    from db.jobs import Handler

JOB: Final = "ca.fetch_trusted_lists"
SCHEDULE: Final = {JOB: "29 */3 * * *"}
FILE: Final = "trusted-lists.toml"
MAX_FILE: Final = 1024 * 1024
MAX_LISTS: Final = 200
_KEYS: Final = frozenset({"address", "territory", "signers"})

_log = logging.getLogger("antin.worker")


def handlers(wiring: Wiring) -> dict[str, Handler]:
    """Return the job."""

    def fetch(_: Mapping[str, Json]) -> None:
        for outcome in fetch_now(wiring):
            quiet = outcome.fetched in {Fetched.IMPORTED, Fetched.UNCHANGED}
            _log.log(
                logging.INFO if quiet else logging.WARNING,
                "trusted list %s: %s, %s",
                outcome.address.subject,
                outcome.fetched.value,
                outcome.detail,
            )

    return {JOB: fetch}


def fetch_now(wiring: Wiring) -> list[Outcome]:
    """Fetch every list that is named; raises SettingsInvalid for a file that means nothing."""
    limits = FetchLimits(
        max_bytes=MAX_LIST_BYTES, seconds=SECONDS, allowed=wiring.settings.status_networks
    )
    addresses = read_addresses(wiring.settings.home)
    return fetch_lists(wiring.sessions, addresses, fetcher=Fetcher(limits), at=wiring.clock())


def read_addresses(home: Path) -> list[ListAddress]:
    """Read the file; nothing without it. Raises SettingsInvalid."""
    path = home / FILE
    try:
        if path.stat().st_size > MAX_FILE:
            raise SettingsInvalid(FILE, "it is too large to be settings")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise SettingsInvalid(FILE, f"it cannot be read: {error}") from error
    found = values.get("list")
    if set(values) - {"list"} or not isinstance(found, list) or len(found) > MAX_LISTS:
        raise SettingsInvalid(FILE, f"[[list]] sections are expected, at most {MAX_LISTS}")
    return [_address(one, home) for one in found]


def _address(values: object, home: Path) -> ListAddress:
    if not isinstance(values, dict) or set(values) != _KEYS:
        raise SettingsInvalid(FILE, "a list has an address, a territory and signers")
    address, territory, signers = values["address"], values["territory"], values["signers"]
    texts = [address, territory, *(signers if isinstance(signers, list) else [None])]
    if not all(isinstance(one, str) and one for one in texts) or not signers:
        raise SettingsInvalid(FILE, "address, territory and each of the signers are texts")
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsInvalid(FILE, f"{address}: an address http(s)://… is expected")
    return ListAddress(address, territory, tuple(_signer(home / name) for name in signers))


def _signer(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return trust.one_certificate(source.read(MAX_FILE))
    except OSError as error:
        raise SettingsInvalid(FILE, f"{file.name}: {error.strerror}") from error
    except CaError as error:
        raise SettingsInvalid(FILE, f"{file.name} holds no certificate") from error
