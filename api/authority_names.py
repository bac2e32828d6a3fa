"""The names under which the first run makes our authorities, as an operator sets them.

Each part is one variable ANTIN_AUTHORITY_…; what is not set is None and stays as `ca.authorities`
has it. Values are checked before anything starts: a name in a certificate is there for good.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from api.errors import SettingsInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "ANTIN_AUTHORITY_"
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_IDENTIFIER: Final = re.compile(r"(?:[A-Z]{3}|[A-Z]{2}:)[A-Z]{2}-[!-~]+")
"""Scheme, country, number (ETSI EN 319 412-1 5.1.4)."""
_OF_THE_OWNER: Final = ("organization", "unit", "locality", "identifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityNames:
    """Whose authorities the first run makes, and what each of them is called."""

    country: str | None = None
    organization: str | None = None
    unit: str | None = None
    locality: str | None = None
    identifier: str | None = None
    root: str | None = None
    """Common name, as are those that follow."""
    root_ocsp: str | None = None
    issuing: str | None = None
    ocsp: str | None = None
    tsa: str | None = None


def read(env: Mapping[str, str]) -> AuthorityNames:
    """Read and check the names; SettingsInvalid for the first that no certificate can hold."""
    given = {part.name: env.get(PREFIX + part.name.upper(), "") for part in fields(AuthorityNames)}
    return AuthorityNames(**{part: _checked(part, text) for part, text in given.items() if text})


def _checked(part: str, text: str) -> str:
    from ca.errors import SubjectInvalid  # noqa: PLC0415 -- slow to load, and mostly not needed
    from ca.names import MAX_COMMON_NAME, MAX_ORGANIZATION, clean  # noqa: PLC0415 -- as above

    variable = PREFIX + part.upper()
    longest = MAX_ORGANIZATION if part in _OF_THE_OWNER else MAX_COMMON_NAME
    try:
        name = clean(text, attribute=part, maximum=longest)
    except SubjectInvalid as error:
        raise SettingsInvalid(variable, f"the name of the authorities: {error}") from error
    if part == "country" and not _COUNTRY.fullmatch(name):
        raise SettingsInvalid(variable, "a country's code of two capital letters is expected")
    if part == "identifier" and not _IDENTIFIER.fullmatch(name):
        raise SettingsInvalid(variable, "an identifier such as VATVN-3800100000 is expected")
    return name
