"""What an operator sets about providers of SIM and remote keys, checked before anything is asked.

    [sim.viettel]                     # named in key addresses: sim:viettel/+84912345678
    protocol = "ets102204"            # or "mobile-id"
    profile = "vietnam"               # or a file beside this one
    url = "https://…/MSS_SignaturePort"
    ap_id = "https://…"
    ap_password = "file:/…"           # secrets are references, never values

    [csc.cloud]                       # csc:cloud/credential?pin-source=file:/…
    url = "https://…/csc/v1"
    token = "env:CLOUD_TOKEN"

A key that is not known, or a secret that is written down instead of referred to, is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hsm.csc_messages import CscVersion
from hsm.csc_service import CscMode, CscSettings
from hsm.ets102204 import Ets102204Settings
from hsm.ets102204_profile import MAX_TOGETHER, Profile
from hsm.mobile_id import MobileIdSettings
from hsm.provider_http import Reach, checked_url
from hsm.refusals import ProviderSettingsInvalid, Refusal

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
_REFERENCE: Final = re.compile(r"[a-z][a-z0-9+.-]*:.+")
MAX_SECONDS: Final = 900
"""A person who has not answered in a quarter of an hour is gone."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One section: its protocol's settings and how to reach it."""

    settings: Ets102204Settings | MobileIdSettings | CscSettings
    reach: Reach


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """All sections, by scheme and name: ``("sim", "viettel")``."""

    providers: Mapping[tuple[str, str], Provider] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: Mapping[str, object], *, below: Path) -> "ProviderSettings":
        """Read what a TOML file holds; files are named relative to *below*.

        Raises ProviderSettingsInvalid that names the section and the value.
        """
        found: dict[tuple[str, str], Provider] = {}
        for scheme, sections in values.items():
            if scheme not in {"sim", "csc"} or not isinstance(sections, dict):
                raise ProviderSettingsInvalid(f"[{scheme}] is neither sim nor csc")
            for name, section in sections.items():
                if not _NAME.fullmatch(name) or not isinstance(section, dict):
                    raise ProviderSettingsInvalid(f"[{scheme}.{name}] is no section of a provider")
                found[scheme, name] = _provider(
                    scheme, _Section(f"{scheme}.{name}", section, below)
                )
        return cls(found)


class _Section:
    """The values of one section; each is taken once, and none may be left over."""

    def __init__(self, name: str, values: Mapping[str, object], below: Path) -> None:
        self.name = name
        self.below = below
        self._values = dict(values)

    def wrong(self, what: str) -> ProviderSettingsInvalid:
        return ProviderSettingsInvalid(f"[{self.name}] {what}")

    def has(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str, default: str | None = None) -> str:
        value = self._values.pop(key, default)
        if not isinstance(value, str) or (not value and default is None):
            raise self.wrong(f"{key} is missing or no text")
        return value

    def maybe(self, key: str) -> str | None:
        return self.text(key) if key in self._values else None

    def secret(self, key: str) -> str:
        reference = self.text(key)
        if not _REFERENCE.fullmatch(reference):
            raise self.wrong(f"{key} is to be a reference to a secret: file:/… or env:NAME")
        return reference

    def maybe_secret(self, key: str) -> str | None:
        return self.secret(key) if key in self._values else None

    def number(self, key: str, default: int, low: int, high: int) -> int:
        value = self._values.pop(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(f"{key} is a number from {low} to {high}")
        return value

    def flag(self, key: str) -> bool:
        value = self._values.pop(key, False)
        if not isinstance(value, bool):
            raise self.wrong(f"{key} is true or false")
        return value

    def table(self, key: str) -> dict[str, object]:
        value = self._values.pop(key, {})
        if not isinstance(value, dict):
            raise self.wrong(f"{key} is a table")
        return value

    def file(self, key: str) -> Path | None:
        name = self.maybe(key)
        return None if name is None else self.below / name

    def url(self, key: str, *, plain_http: bool, default: str | None = None) -> str:
        try:
            return checked_url(self.text(key, default), plain_http=plain_http)
        except ProviderSettingsInvalid as error:
            raise self.wrong(str(error)) from error

    def done(self) -> None:
        if self._values:
            raise self.wrong(f"unknown: {', '.join(sorted(self._values))}")


def _provider(scheme: str, section: _Section) -> Provider:
    reach = Reach(
        ca_file=section.file("ca_file"),
        client_certificate=section.file("client_certificate"),
        client_key=section.file("client_key"),
        client_key_password=section.maybe_secret("client_key_password"),
        seconds=section.number("answer_seconds", 15, 1, 120),
        plain_http=section.flag("plain_http"),
    )
    settings: Ets102204Settings | MobileIdSettings | CscSettings
    if scheme == "csc":
        settings = _csc(section, reach)
    else:
        protocol = section.text("protocol")
        if protocol == "ets102204":
            settings = _ets102204(section, reach)
        elif protocol == "mobile-id":
            settings = _mobile_id(section, reach)
        else:
            raise section.wrong("protocol is ets102204 or mobile-id")
    section.done()
    return Provider(settings, reach)


def _ets102204(section: _Section, reach: Reach) -> Ets102204Settings:
    url = section.url("url", plain_http=reach.plain_http)
    try:
        profile = Profile.load(
            section.text("profile", "ets102204"), section.table("overrides"), below=section.below
        )
    except ProviderSettingsInvalid as error:
        raise section.wrong(str(error)) from error
    return Ets102204Settings(
        signature_url=url,
        status_url=section.url("status_url", plain_http=reach.plain_http, default=url),
        registration_url=section.url("registration_url", plain_http=reach.plain_http, default=url),
        ap_id=section.text("ap_id"),
        ap_password=section.secret("ap_password"),
        mssp_id=section.text("mssp_id", url),
        profile=profile,
        seconds=section.number("seconds", 120, 10, MAX_SECONDS),
    )


def _mobile_id(section: _Section, reach: Reach) -> MobileIdSettings:
    return MobileIdSettings(
        url=section.url("url", plain_http=reach.plain_http),
        relying_party_uuid=section.secret("relying_party_uuid"),
        relying_party_name=section.text("relying_party_name"),
        language=section.text("language", "ENG"),
        seconds=section.number("seconds", 120, 10, MAX_SECONDS),
        can_cancel=section.flag("can_cancel"),
    )


def _csc(section: _Section, reach: Reach) -> CscSettings:
    token_url = None
    if section.has("token_url"):
        token_url = section.url("token_url", plain_http=reach.plain_http)
    token = section.maybe_secret("token")
    if token is not None and token_url is not None:
        raise section.wrong("has both token and token_url")
    try:
        return CscSettings(
            url=section.url("url", plain_http=reach.plain_http),
            version=CscVersion(section.text("version", "v1")),
            mode=CscMode(section.text("mode", "now")),
            token=token,
            token_url=token_url,
            client_id=section.text("client_id") if token_url else "",
            client_secret=section.secret("client_secret") if token_url else None,
            scope=section.text("scope", "service"),
            otp=section.maybe_secret("otp"),
            seconds=section.number("seconds", 120, 10, MAX_SECONDS),
            together=section.number("together", 20, 1, MAX_TOGETHER),
            errors={code: Refusal(str(m)) for code, m in section.table("errors").items()},
        )
    except ValueError as error:
        raise section.wrong(str(error)) from error
