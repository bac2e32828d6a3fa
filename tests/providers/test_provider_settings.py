"""What an operator may set about providers, and what is refused with the place named."""

from pathlib import Path

import pytest

from api.providers import read_providers
from api.settings import Settings
from hsm.ets102204_profile import Messaging, Profile, Standing
from hsm.key_uri import KeyURI
from hsm.later_keys import no_providers
from hsm.provider_settings import ProviderSettings
from hsm.refusals import ProviderSettingsInvalid, Refusal

SIM = {
    "protocol": "ets102204",
    "url": "https://msspg.example/soap",
    "ap_id": "http://antin.example",
    "ap_password": "file:/run/ap",
}
MID = {
    "protocol": "mobile-id",
    "url": "https://mid.example/mid-api",
    "relying_party_uuid": "env:RP",
    "relying_party_name": "Ấn Tín",
}
CSC = {"url": "https://cloud.example/csc/v1", "token": "env:TOKEN"}


def parse(values: dict[str, object], tmp_path: Path) -> ProviderSettings:
    return ProviderSettings.parse(values, below=tmp_path)


def test_all_three_kinds_are_read(tmp_path: Path) -> None:
    found = parse({"sim": {"viettel": SIM, "mid": MID}, "csc": {"cloud": CSC}}, tmp_path)
    assert set(found.providers) == {("sim", "viettel"), ("sim", "mid"), ("csc", "cloud")}


@pytest.mark.parametrize(
    ("kind", "section", "word"),
    [
        ("sim", SIM | {"ap_password": "hunter2"}, "reference"),
        ("sim", SIM | {"password": "x"}, "unknown: password"),
        ("sim", SIM | {"protocol": "smpp"}, "protocol"),
        ("sim", SIM | {"url": "http://msspg.example/soap"}, "not encrypted"),
        ("sim", SIM | {"url": "https://user:pw@msspg.example/"}, "secrets go by reference"),
        ("sim", SIM | {"seconds": 86400}, "seconds"),
        ("sim", SIM | {"seconds": True}, "seconds"),
        ("sim", SIM | {"profile": "nowhere"}, "cannot be read"),
        ("sim", SIM | {"overrides": {"messaging": "carrier-pigeon"}}, "carrier-pigeon"),
        ("sim", SIM | {"overrides": {"colour": "red"}}, "colour"),
        ("sim", SIM | {"overrides": {"statuses": {"401": "sad"}}}, "sad"),
        ("sim", SIM | {"overrides": {"statuses": {"4o1": "no_key"}}}, "4o1"),
        ("sim", SIM | {"overrides": {"display": "{password}"}}, "password"),
        ("sim", {"protocol": "mobile-id", "url": "https://mid.example"}, "relying_party_uuid"),
        ("csc", CSC | {"token_url": "https://cloud.example/token"}, "both"),
        ("csc", CSC | {"version": "v9"}, "v9"),
        ("csc", CSC | {"errors": {"x": "sad"}}, "sad"),
        ("csc", CSC | {"together": 0}, "together"),
    ],
)
def test_what_is_wrong_is_named_with_its_section(
    tmp_path: Path, kind: str, section: dict[str, object], word: str
) -> None:
    with pytest.raises(ProviderSettingsInvalid) as caught:
        parse({kind: {"here": section}}, tmp_path)
    assert f"{kind}.here" in str(caught.value)
    assert word in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("values", [{"sms": {}}, {"sim": {"Bad Name": SIM}}, {"sim": "x"}])
def test_what_is_no_section_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    with pytest.raises(ProviderSettingsInvalid):
        parse(values, tmp_path)


def test_plain_http_is_for_this_machine_or_a_network_that_was_said_to_be_closed(
    tmp_path: Path,
) -> None:
    inside = SIM | {"url": "http://10.1.2.3/soap"}
    with pytest.raises(ProviderSettingsInvalid):
        parse({"sim": {"here": inside}}, tmp_path)
    assert parse({"sim": {"here": inside | {"plain_http": True}}}, tmp_path).providers
    assert parse({"sim": {"here": SIM | {"url": "http://127.0.0.1:8085/soap"}}}, tmp_path).providers


def test_a_profile_of_ones_own_extends_another(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'extends = "vietnam"\nmessaging = "synch"\n[statuses]\n406 = "user_timeout"\n'
    )
    profile = Profile.load("mine.toml", {"display_bytes": 80}, below=tmp_path)
    assert profile.messaging is Messaging.SYNCH
    assert profile.display_bytes == 80
    assert profile.number("+84912345678") == "84912345678"
    assert profile.standing("406") is Refusal.USER_TIMEOUT
    assert profile.standing("2082") is Refusal.USER_TIMEOUT
    assert profile.standing("502") is Standing.SIGNED
    assert profile.standing("777") is Refusal.PHONE_UNREACHABLE
    assert profile.standing("../x") is Refusal.PROVIDER_ERROR


def test_a_profile_that_extends_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").write_text('extends = "loop.toml"\n')
    with pytest.raises(ProviderSettingsInvalid):
        Profile.load("loop.toml", {}, below=tmp_path)


def test_without_the_file_there_is_no_provider(tmp_path: Path) -> None:
    assert read_providers(Settings(home=tmp_path)).providers == {}
    with pytest.raises(ProviderSettingsInvalid, match=r"sim\.viettel"):
        no_providers().phones(KeyURI.parse("sim:viettel/+84912345678"))


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text("[sim.viettel\n")
    with pytest.raises(ProviderSettingsInvalid, match=r"providers\.toml"):
        read_providers(Settings(home=tmp_path))
