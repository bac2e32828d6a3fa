"""The providers of SIM and remote keys: `providers.toml` below ANTIN_HOME, and their secrets.

The file holds no secret, only references: `file:/…`, `home:secrets/…` below ANTIN_HOME, or
`env:NAME` for a variable of this process. It is read at the start of each process.
"""

from __future__ import annotations

import tomllib
from functools import partial
from typing import TYPE_CHECKING, Final

from api.settings import secret_from_environment
from api.vault import secret_below
from hsm.errors import PinRequired
from hsm.later_keys import LaterKeys
from hsm.pins import PinSources
from hsm.provider_settings import ProviderSettings
from hsm.refusals import ProviderSettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from api.settings import Settings
    from hsm.secret import Secret

FILE: Final = "providers.toml"
MAX_FILE: Final = 1024 * 1024


def open_providers(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    more_sources: Mapping[str, Callable[[str], Secret]] | None = None,
) -> LaterKeys:
    """Return the providers that are set up; none without the file.

    *more_sources* reads further kinds of reference to a secret. Raises ProviderSettingsInvalid with
    the section and what is wrong in it.
    """
    below = partial(secret_below, settings.home)
    sources = PinSources(named={"home": below, "env": _variable, **(more_sources or {})})
    return LaterKeys(read_providers(settings), secrets_of=sources.read, clock=clock)


def read_providers(settings: Settings) -> ProviderSettings:
    """Read and check the file; raises ProviderSettingsInvalid."""
    path = settings.home / FILE
    try:
        if path.stat().st_size > MAX_FILE:
            raise ProviderSettingsInvalid(f"{FILE} is too large to be settings")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ProviderSettings()
    except (OSError, ValueError) as error:
        raise ProviderSettingsInvalid(f"{FILE} cannot be read: {error}") from error
    return ProviderSettings.parse(values, below=settings.home)


def _variable(name: str) -> Secret:
    secret = secret_from_environment(name)
    if not secret:
        raise PinRequired(f"the variable {name} that holds a secret is not set")
    return secret
