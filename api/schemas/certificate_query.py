"""The filters of `GET /certificates`, and the links by which a report's numbers open that list."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query
from pydantic import AwareDatetime

from ca.certificate_search import SearchFilters
from ca.models import CertificateKind, CertificateStatus
from ca.reports import Dimension, Standing

Word = Annotated[str | None, Query(max_length=200)]

PARAMETERS = {
    Dimension.KIND: "kind",
    Dimension.STATUS: "standing",
    Dimension.ORGANIZATION: "organization",
    Dimension.LEVEL: "level",
    Dimension.ISSUER: "issuer",
    Dimension.PROFILE: "profile",
    Dimension.MONTH: "issued_month",
}
"""The query parameter that selects a group of each dimension."""

_LISTED = {
    "issued": None,
    "in_force": Standing.IN_FORCE,
    "suspended": Standing.SUSPENDED,
    "revoked": Standing.REVOKED,
    "expired": Standing.EXPIRED,
}
"""The numbers of a report, and the standing of the certificates behind each."""


class CertificateQuery:
    """The filters of the search; the last eight select what a report counted."""

    def __init__(  # noqa: PLR0913, PLR0917 -- one parameter for each filter
        self,
        name: Word = None,
        kind: CertificateKind | None = None,
        status: CertificateStatus | None = None,
        subscriber_id: uuid.UUID | None = None,
        under: uuid.UUID | None = None,
        national_id: Word = None,
        device_serial: Word = None,
        expires_from: AwareDatetime | None = None,
        expires_before: AwareDatetime | None = None,
        as_of: Annotated[
            AwareDatetime | None, Query(description="Only what was issued by then")
        ] = None,
        standing: Annotated[
            Standing | None, Query(description="What it counted as at `as_of`, or now")
        ] = None,
        organization: Annotated[str | None, Query(max_length=200, description="Code")] = None,
        level: Word = None,
        issuer: Annotated[str | None, Query(max_length=200, description="Short name")] = None,
        profile: Word = None,
        issued_month: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}$")] = None,
    ) -> None:
        self.under = under
        self._words = {"name": name, "national_id": national_id, "device_serial": device_serial}
        self._kind, self._status, self._subscriber = kind, status, subscriber_id
        self._window = (expires_from, expires_before)
        self._as_of, self._standing = as_of, standing
        found = {
            Dimension.ORGANIZATION: organization,
            Dimension.LEVEL: level,
            Dimension.ISSUER: issuer,
            Dimension.PROFILE: profile,
            Dimension.MONTH: issued_month,
        }
        self._group = {name: value for name, value in found.items() if value is not None}

    def filters(self, *, under: uuid.UUID | None, at: datetime) -> SearchFilters:
        """Return them as the registry takes them, within a subtree; `at` is now."""
        return SearchFilters(
            **self._words,
            kind=self._kind,
            status=self._status,
            subscriber_id=self._subscriber,
            under=under,
            expires_from=self._window[0],
            expires_before=self._window[1],
            as_of=self._as_of or (at if self._standing is not None else None),
            standing=self._standing,
            group=self._group,
        )


def links(
    group: Mapping[str, str], *, as_of: datetime, under: uuid.UUID | None
) -> dict[str, str | None]:
    """Return, for each number of a group, the address of the list behind it.

    In a group of one standing the other numbers are zero and open nothing.
    """
    common = {"as_of": as_of.isoformat()} | ({"under": str(under)} if under else {})
    common |= {PARAMETERS[Dimension(name)]: value for name, value in group.items()}
    found: dict[str, str | None] = {}
    for number, standing in _LISTED.items():
        own = common.get("standing")
        wanted = own if standing is None else standing.value
        if own is not None and wanted != own:
            found[number] = None
            continue
        parameters = common | ({"standing": wanted} if wanted else {})
        found[number] = f"/api/v1/certificates?{urlencode(parameters)}"
    return found
