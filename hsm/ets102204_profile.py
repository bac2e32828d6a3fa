"""The dialect of an operator's TS 102 204 service, as data: addresses, forms, status codes.

Profiles are TOML files beside this module or of the operator's own; one may extend another, and a
provider's settings override single values.
"""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Final, Self

from hsm.refusals import ProviderSettingsInvalid, Refusal

_BUILT_IN: Final = re.compile(r"[a-z0-9_]+")
_STATUS: Final = re.compile(r"[0-9]{3,4}")
_MAX_EXTENDS: Final = 4
MAX_TOGETHER: Final = 200
"""Documents under one PIN; more than a person can mean at once."""


class Messaging(StrEnum):
    """Who waits for the person (TS 102 204 clause 6.3)."""

    SYNCH = "synch"
    """The operator answers when the person has."""
    CLIENT_SERVER = "asynchClientServer"
    """The operator answers at once, and this service asks again."""


class Standing(StrEnum):
    """What a status code says when it is no refusal."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    SIGNED = "signed"
    REGISTERED = "registered"


class SoapVersion(StrEnum):
    """Envelope and content type."""

    V1_1 = "1.1"
    V1_2 = "1.2"


class MsisdnForm(StrEnum):
    """How a phone number is written."""

    E164 = "e164"
    DIGITS = "digits"
    NATIONAL = "national"


class DataForm(StrEnum):
    """What the phone is given to sign."""

    DIGEST_INFO = "digest_info"
    DIGEST = "digest"


class TransactionForm(StrEnum):
    """How AP_TransID is written."""

    NCNAME = "ncname"
    HEX10 = "hex10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The values of a profile; `hsm/profiles/ets102204.toml` says what each is."""

    namespace: str
    soap: SoapVersion
    wrapper: str
    wrapper_namespace: str
    qualified: bool
    messaging: Messaging
    msisdn: MsisdnForm
    national_prefix: str
    data: DataForm
    mime_type: str
    encoding: str
    display: str
    display_bytes: int
    signature_profile: str
    format: str
    services: tuple[str, ...]
    transaction: TransactionForm
    together: int
    statuses: Mapping[str, Standing | Refusal]

    @classmethod
    def load(cls, name: str, overrides: Mapping[str, object], *, below: Path) -> Self:
        """Read a profile by its name, or by the path of a file (relative to *below*).

        Raises ProviderSettingsInvalid with what is wrong.
        """
        values = _read(name, below, 0)
        statuses = {**_table(values, "statuses"), **_table(overrides, "statuses")}
        return cls._from({**values, **overrides, "statuses": statuses})

    @classmethod
    def _from(cls, values: Mapping[str, object]) -> Self:
        names = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - names - {"extends"})
        missing = sorted(names - set(values))
        if unknown or missing:
            what = f"unknown: {', '.join(unknown) or '-'}; missing: {', '.join(missing) or '-'}"
            raise ProviderSettingsInvalid(f"the profile's values do not fit ({what})")
        try:
            return cls(**{name: _value(name, values[name]) for name in names})  # type: ignore[arg-type]  # _value checks each
        except (ValueError, LookupError) as error:
            raise ProviderSettingsInvalid(f"a value of the profile is wrong: {error}") from error

    def standing(self, status: str) -> Standing | Refusal:
        """Say what a status code means; an unknown one is a provider's error."""
        if not _STATUS.fullmatch(status):
            return Refusal.PROVIDER_ERROR
        found = self.statuses.get(status) or self.statuses.get(status[:3])
        if found is None and status.startswith("7"):
            return self.statuses.get("700", Refusal.PROVIDER_ERROR)
        return found or Refusal.PROVIDER_ERROR

    def number(self, msisdn: str) -> str:
        """Write an E.164 number the operator's way."""
        digits = msisdn.removeprefix("+")
        if self.msisdn is MsisdnForm.NATIONAL:
            return "0" + digits.removeprefix(self.national_prefix)
        return digits if self.msisdn is MsisdnForm.DIGITS else f"+{digits}"


def _read(name: str, below: Path, depth: int) -> dict[str, object]:
    try:
        if _BUILT_IN.fullmatch(name):
            text = files("hsm").joinpath(f"profiles/{name}.toml").read_text(encoding="utf-8")
        else:
            text = (below / name).read_text(encoding="utf-8")
        values: dict[str, object] = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ProviderSettingsInvalid(f"the profile {name!r} cannot be read: {error}") from error
    base = values.pop("extends", None)
    if base is None:
        return values
    if depth >= _MAX_EXTENDS or not isinstance(base, str):
        raise ProviderSettingsInvalid(f"the profile {name!r} extends too many others")
    inherited = _read(base, below, depth + 1)
    statuses = {**_table(inherited, "statuses"), **_table(values, "statuses")}
    return {**inherited, **values, "statuses": statuses}


def _table(values: Mapping[str, object], name: str) -> dict[str, object]:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ProviderSettingsInvalid(f"{name} is to be a table")
    return table


_ENUMS: Final[Mapping[str, type[StrEnum]]] = {
    "soap": SoapVersion,
    "messaging": Messaging,
    "msisdn": MsisdnForm,
    "data": DataForm,
    "transaction": TransactionForm,
}
_NUMBERS: Final = {"display_bytes": (20, 10_000), "together": (1, MAX_TOGETHER)}


def _value(name: str, value: object) -> object:
    if name in _ENUMS:
        return _ENUMS[name](str(value))
    if name in _NUMBERS:
        return _number(name, value)
    if name == "statuses":
        return _statuses(value)
    if name == "services":
        return _texts(name, value)
    expected = bool if name == "qualified" else str
    if not isinstance(value, expected):
        raise ValueError(  # noqa: TRY004 -- whatever is wrong with a file is one kind of error
            f"{name} is not {'true or false' if expected is bool else 'text'}"
        )
    if name == "display":
        str(value).format(text="", code="")
    return value


def _number(name: str, value: object) -> int:
    low, high = _NUMBERS[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} is a number from {low} to {high}")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name} is a list of addresses")
    return tuple(value)


def _statuses(table: object) -> dict[str, Standing | Refusal]:
    found: dict[str, Standing | Refusal] = {}
    for code, meaning in dict(table).items() if isinstance(table, dict) else ():
        if not _STATUS.fullmatch(code):
            raise ValueError(f"{code!r} is no status code")
        known = {one.value: one for one in Standing} | {one.value: one for one in Refusal}
        if meaning not in known:
            raise ValueError(f"{meaning!r} is no meaning of a status code")
        found[code] = known[meaning]
    return found
